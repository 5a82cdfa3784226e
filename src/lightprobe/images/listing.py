"""What lies in a folder or a zip: every file is an image, skipped with a reason, or known as not meant."""

import os
import posixpath
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightprobe.errors import DataError, ImageError
from lightprobe.images.imageset import Skipped, natural_key
from lightprobe.images.kinds import (
    HEAD_BYTES,
    ROWS,
    is_foreign_file,
    is_foreign_folder,
    is_harmless,
    is_image_name,
    is_run_row,
    own_files,
    suffix_of,
    why_no_photo,
)

# So many files of one folder, extension and reason are skipped by name; more, in one line.
NAMED_SKIPS = 10


@dataclass(frozen=True)
class Listing:
    """Everything in a tree; names are relative to it, with forward slashes, in natural order.

    Attributes
    ----------
    images : list of str
    skipped : list of Skipped
        Files and links that are no images.
    not_meant : list of str
        Files, and folders with all that is in them, that are hidden, the system's or lightprobe's own.
    empty : list of str
        Folders without an image in or below them, and without files of lightprobe's.
    """

    images: list[str]
    skipped: list[Skipped]
    not_meant: list[str]
    empty: list[str]


def list_folder(folder: Path) -> Listing:
    """List a folder recursively. Links are followed, except back into a folder that is being listed."""
    files: list[str] = []
    folders: list[str] = []
    skipped: list[Skipped] = []
    not_meant: list[str] = []

    def walk(directory: str, prefix: str, above: frozenset[str]) -> None:
        real = os.path.realpath(directory)
        if real in above:
            skipped.append(Skipped(prefix[:-1], "a link back to a folder above it"))
            return
        try:
            with os.scandir(directory) as entries:
                found = list(entries)
        except OSError as error:
            if not prefix:
                raise
            skipped.append(Skipped(prefix[:-1], f"cannot be listed: {error.strerror or error}"))
            return
        if prefix:
            if any(entry.name == ROWS for entry in found) and is_run(Path(directory)):
                not_meant.append(prefix[:-1])
                return
            folders.append(prefix[:-1])
        for entry in found:
            name = prefix + entry.name
            kind = _kind(entry)
            if (is_foreign_folder if kind == "folder" else is_foreign_file)(entry.name):
                not_meant.append(name)
            elif kind == "folder":
                walk(entry.path, f"{name}/", above | {real})
            elif kind == "file" or (kind == _SPECIAL and is_image_name(entry.name)):
                # A pipe that is called like an image is one that cannot be read.
                files.append(name)
            else:
                skipped.append(Skipped(name, kind))

    try:
        walk(str(folder), "", frozenset())
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be listed ({error.strerror}): check its permissions."
        ) from None
    return sort_files(files, folders, lambda name: read_head(folder / name), skipped, not_meant)


def sort_files(
    files: Sequence[str],
    folders: Iterable[str],
    head: Callable[[str], bytes],
    skipped: Sequence[Skipped] = (),
    not_meant: Sequence[str] = (),
) -> Listing:
    """Say of each file what it is.

    Parameters
    ----------
    files, folders
        Relative names.
    head : callable
        From a file's name to its first bytes; ImageError if it cannot be read.
    skipped, not_meant
        What is known already, and in neither of the others.
    """
    inside: dict[str, set[str]] = defaultdict(set)
    for name in files:
        folder, base = posixpath.split(name)
        inside[folder].add(base)
    own = {folder: own_files(names) for folder, names in inside.items()}
    images: list[str] = []
    ours: list[str] = []
    others: list[tuple[str, str]] = []
    for name in files:
        folder, base = posixpath.split(name)
        if base in own[folder]:
            ours.append(name)
        elif reason := why_no_photo(base, lambda name=name: head(name)):  # type: ignore[misc]
            others.append((name, reason))
        else:
            images.append(name)
    filled = {above for name in (*images, *ours) for above in folders_above(name)}
    return Listing(
        sorted(images, key=natural_key),
        sorted((*skipped, *_summed(others)), key=lambda one: natural_key(one.path)),
        sorted((*not_meant, *ours), key=natural_key),
        sorted(set(folders) - filled, key=natural_key),
    )


def is_run(folder: Path) -> bool:
    """Tell whether a folder is that of a run, a comparison or a study of lightprobe."""
    try:
        return is_run_row(read_head(folder / ROWS))
    except ImageError:
        return False


def read_head(path: Path) -> bytes:
    """Return the first bytes of a regular file; ImageError if they cannot be read."""
    try:
        # Asked before opening, for opening a named pipe would wait for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ImageError("not a regular file")
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _kind(entry: "os.DirEntry[str]") -> str:
    """Return folder or file, or why an entry of a folder is neither."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # links in a circle
        return "a link that leads nowhere"
    return "a link that leads nowhere" if entry.is_symlink() and not Path(entry.path).exists() else _SPECIAL


_SPECIAL = "not a regular file"


def folders_above(name: str) -> Iterator[str]:
    """Yield the folders that a file is in, the innermost first."""
    while name := name.rpartition("/")[0]:
        yield name


def _summed(others: Sequence[tuple[str, str]]) -> list[Skipped]:
    """Put many files of one folder, extension and reason in one line."""
    kinds = [
        (posixpath.dirname(name), suffix_of(posixpath.basename(name)), reason) for name, reason in others
    ]
    counts = Counter(kinds)
    listed = [
        Skipped(name, reason, fault=not is_harmless(reason))
        for (name, reason), kind in zip(others, kinds, strict=True)
        if counts[kind] <= NAMED_SKIPS
    ]
    for (folder, suffix, reason), count in counts.items():
        if count > NAMED_SKIPS:
            pattern = posixpath.join(folder, f"*{suffix}")
            listed.append(
                Skipped(pattern, f"{count:,} files: {reason}", count=count, fault=not is_harmless(reason))
            )
    return listed
