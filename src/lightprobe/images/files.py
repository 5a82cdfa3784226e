"""Images as files: in folders, in zips, one by one. Nothing is unpacked or written."""

import posixpath
import stat
import threading
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from lightprobe.errors import DataError, ImageError, one_line
from lightprobe.images.imageset import Skipped, photo_name
from lightprobe.images.kinds import HEAD_BYTES, ROWS, is_foreign_file, is_foreign_folder, is_run_row
from lightprobe.images.listing import Listing, folders_above, sort_files

# No photo comes near; what does (a video, a disk image, a zip bomb) must not fill the memory.
MAX_FILE_BYTES = 1 << 30
# Of kinds that are compressed; a zip member that claims to be one is inflated no further.
MAX_COMPRESSED_BYTES = 1 << 28
_PLAIN_KINDS = frozenset(("BMP", "TIFF", "PPM"))
_INFLATED_AT_ONCE = 1 << 20


class FileSource:
    """Image files by their paths."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)

    def read(self, index: int) -> bytes:
        """Return the bytes of file `index`."""
        return read_file(self._paths[index])


class ZipSource:
    """Members of a zip, read in place; several threads may inflate at once.

    Parameters
    ----------
    path : Path
    max_bytes : int, optional
        Larger members are errors, by what the zip's directory says; no more than that is inflated.

    Attributes
    ----------
    listing : Listing
        Everything in it.
    names : list of str
        Its images.
    """

    def __init__(self, path: Path, max_bytes: int | None = None) -> None:
        self._max_bytes = MAX_FILE_BYTES if max_bytes is None else max_bytes
        try:
            self._zip = zipfile.ZipFile(path)
            self._lock = threading.Lock()
            self.listing, members = self._list()
        except Exception as error:  # of a damaged directory zipfile makes anything
            raise DataError(
                f"{path} cannot be read as a zip ({one_line(error)}): pack or download it again."
            ) from None
        self.names = self.listing.images
        self._members = [members[name] for name in self.names]

    def read(self, index: int) -> bytes:
        """Return the bytes of member `index` of `names`."""
        info = self._members[index]
        _require_size(info.file_size, self._max_bytes)
        try:
            # Opening and closing count the handles without a lock of their own; reading has one.
            with self._lock:
                stream = self._zip.open(info)
            try:
                return _inflated(stream, self._max_bytes)
            finally:
                with self._lock:
                    stream.close()
        except ImageError:
            raise
        except (NotImplementedError, RuntimeError) as error:
            reason = "encrypted" if info.flag_bits & 1 else str(error)
            raise ImageError(f"cannot be read from the zip: {reason}") from None
        except Exception:  # of damaged members zipfile and its decompressors raise nearly anything
            raise ImageError("damaged inside the zip") from None

    def _list(self) -> tuple[Listing, dict[str, zipfile.ZipInfo]]:
        """Say of each member what it is, and find the members by name."""
        members: dict[str, zipfile.ZipInfo] = {}
        folders: dict[str, None] = {}
        skipped: list[Skipped] = []
        for info in self._zip.infolist():
            name = _member_name(info)
            if info.is_dir():
                folders[name] = None
            elif stat.S_ISLNK(info.external_attr >> 16):
                skipped.append(Skipped(name, "a link, and links in zips are not followed"))
            else:
                if name in members:  # added again later: the last one counts, as for whoever unpacks it
                    skipped.append(Skipped(name, "stands in the zip a second time"))
                members[name] = info
        for name in members:
            folders |= dict.fromkeys(folders_above(name))
        folders.pop("", None)
        shut = {name for name in folders if is_foreign_folder(name.rpartition("/")[2])}
        for name in members:
            folder, _, base = name.rpartition("/")
            if base == ROWS and folder and is_run_row(self._head(members[name])):
                shut.add(folder)
        files: list[str] = []
        not_meant: dict[str, None] = {}
        for name in members:
            above = [folder for folder in folders_above(name) if folder in shut]
            if above or is_foreign_file(name.rpartition("/")[2]):
                not_meant[above[-1] if above else name] = None
            else:
                files.append(name)
        skipped = [one for one in skipped if shut.isdisjoint(folders_above(one.path))]
        open_folders = [name for name in folders if name not in shut and shut.isdisjoint(folders_above(name))]
        not_meant |= dict.fromkeys(name for name in shut if shut.isdisjoint(folders_above(name)))

        def head(name: str) -> bytes:
            return self._head(members[name])

        return sort_files(files, open_folders, head, skipped, list(not_meant)), members

    def _head(self, info: zipfile.ZipInfo) -> bytes:
        """Return a member's first bytes; none of one that cannot be read, which reading it will say."""
        try:
            with self._zip.open(info) as stream:
                return stream.read(HEAD_BYTES)
        except Exception:  # of damaged members zipfile and its decompressors raise nearly anything
            raise ImageError("cannot be read from the zip") from None


def read_file(path: str) -> bytes:
    """Return the bytes of an image file; ImageError if it cannot be read or is absurdly large."""
    try:
        # Asked before opening, for opening a named pipe would wait for a writer.
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("not a regular file")
        _require_size(status.st_size, MAX_FILE_BYTES)
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


class FileFinder:
    """Finds the files that a table speaks of, however their names are spelled there.

    A path is looked for as it stands; else with its slashes forward; else by its name (`photo_name`), folder
    by folder, for accents may be composed there and not here.

    Parameters
    ----------
    folder : Path
        Where relative paths start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inside: dict[Path, dict[str, str]] = {}

    def find(self, path: str) -> Path | None:
        """Return the file or folder at a path; None if there is none."""
        for spelled in dict.fromkeys((path, path.replace("\\", "/"))):
            if exists(place := self._folder / spelled):
                return place
        place = Path(path) if Path(path).is_absolute() else self._folder / path.replace("\\", "/")
        there = Path(place.anchor)
        for part in place.parts[1 if place.anchor else 0 :]:
            exact = there / part
            if part == ".." or exists(exact):
                there = exact
                continue
            other = self._names(there).get(photo_name(part))
            if other is None:
                return None
            there /= other
        return there

    def _names(self, folder: Path) -> dict[str, str]:
        if folder not in self._inside:
            try:
                self._inside[folder] = {photo_name(file.name): file.name for file in folder.iterdir()}
            except (OSError, ValueError):
                self._inside[folder] = {}
        return self._inside[folder]


def exists(path: Path) -> bool:
    """Tell whether there is something; what no name can be is not there."""
    return _mode(path) != 0


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder; what no name can be is none."""
    return stat.S_ISDIR(_mode(path))


def is_file(path: Path) -> bool:
    """Tell whether there is a regular file; what no name can be is none."""
    return stat.S_ISREG(_mode(path))


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def _inflated(stream: IO[bytes], most: int) -> bytes:
    """Inflate a member piece by piece, up to what its kind may have: directories can lie about sizes."""
    from lightprobe.images.decoding import sniff  # and its decoders: only where something is read

    pieces = [stream.read(_INFLATED_AT_ONCE)]
    n_bytes = len(pieces[0])
    if n_bytes == _INFLATED_AT_ONCE and sniff(pieces[0]) not in _PLAIN_KINDS:
        most = min(most, MAX_COMPRESSED_BYTES)
    while pieces[-1]:
        pieces.append(stream.read(_INFLATED_AT_ONCE))
        n_bytes += len(pieces[-1])
        _require_size(n_bytes, most)
    return b"".join(pieces)


def _require_size(n_bytes: int, allowed: int) -> None:
    if n_bytes > allowed:
        raise ImageError(f"{n_bytes / 2**20:,.0f} MiB is too large for an image file")


def _member_name(info: zipfile.ZipInfo) -> str:
    """Return a member's name with forward slashes, as UTF-8 where it is (macOS does not set the flag)."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    # A name that leads out of the zip leads nowhere here: nothing is unpacked.
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/")
