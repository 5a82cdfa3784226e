"""Images as files: in folders, in zips, one by one. Nothing is unpacked or written."""

import os
import stat
import threading
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lightprobe.errors import DataError, ImageError
from lightprobe.images.imageset import natural_key
from lightprobe.images.layout import is_ignored, is_image_name

# No photo comes near; what does (a video, a disk image, a zip bomb) must not fill the memory.
MAX_FILE_BYTES = 1 << 30


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
    """

    def __init__(self, path: Path, max_bytes: int | None = None) -> None:
        self._max_bytes = MAX_FILE_BYTES if max_bytes is None else max_bytes
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read as a zip ({error}): pack or download it again.") from None
        self._lock = threading.Lock()
        members = {_member_name(info): info for info in self._zip.infolist() if not info.is_dir()}
        images = [name for name in members if _is_visible_image(name)]
        self.names = sorted(images, key=natural_key)
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
                return stream.read()
            finally:
                with self._lock:
                    stream.close()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
            raise ImageError("damaged inside the zip") from None
        except (NotImplementedError, RuntimeError) as error:
            reason = "encrypted" if info.flag_bits & 1 else str(error)
            raise ImageError(f"cannot be read from the zip: {reason}") from None


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


def walk_images(folder: Path) -> tuple[list[str], list[str]]:
    """List a folder recursively: image files, and folders without images in or below them.

    Both are relative to `folder`, with forward slashes, in natural order. Links are followed, except
    back into a folder that is being listed.
    """
    files: list[str] = []
    empty: list[str] = []

    def walk(directory: str, prefix: str, above: frozenset[str]) -> None:
        real = os.path.realpath(directory)
        if real in above:
            return
        before = len(files)
        with os.scandir(directory) as entries:
            for entry in entries:
                if is_ignored(entry.name):
                    continue
                if entry.is_dir():
                    walk(entry.path, f"{prefix}{entry.name}/", above | {real})
                elif is_image_name(entry.name):
                    files.append(prefix + entry.name)
        if len(files) == before and prefix:
            empty.append(prefix[:-1])

    try:
        walk(str(folder), "", frozenset())
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be listed ({error.strerror}): check its permissions."
        ) from None
    return sorted(files, key=natural_key), sorted(empty, key=natural_key)


def _require_size(n_bytes: int, allowed: int) -> None:
    if n_bytes > allowed:
        raise ImageError(f"{n_bytes / 2**20:,.0f} MiB is too large for an image file")


def _is_visible_image(name: str) -> bool:
    *folders, base = name.split("/")
    return is_image_name(base) and not any(is_ignored(folder) for folder in folders)


def _member_name(info: zipfile.ZipInfo) -> str:
    """Return a member's name with forward slashes, as UTF-8 where it is (macOS does not set the flag)."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/").removeprefix("./")
