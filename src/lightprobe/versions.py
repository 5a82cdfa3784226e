"""Versions of what is installed, for what is kept with models, runs and caches."""

from importlib.metadata import PackageNotFoundError, version

from lightprobe._version import __version__


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of lightprobe and of those of the packages that are installed."""
    found = {"lightprobe": __version__}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # an extra
            continue
    return found
