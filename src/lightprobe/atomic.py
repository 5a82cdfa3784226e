"""Files and folders that are whole or not there: written beside their place, then renamed.

Links are written through. Devices and pipes are streamed into, as nothing can be put in their place. What is
new has the permissions that the umask leaves; what replaces a file has that file's.
"""

import ctypes
import errno
import os
import re
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Final

from lightprobe.errors import WriteError

# What is half written, or was replaced, lies beside its place under such a name until it is deleted.
_PARTIAL: Final = r"\.{name}\.[0-9a-f]{{32}}"
# Names of files that are open already; what lies behind them may be anything.
_OPEN_ALREADY: Final = re.compile(r"/dev/(stdin|stdout|stderr|fd/\d+)|/proc/.*")
_SYSTEM: Final = "check it with the system's tools, or name another place"
_WAYS_OUT: Final = {
    errno.ENOSPC: "free some space, or name another place",
    errno.EDQUOT: "free some space, or name another place",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or name another place",
    errno.EROFS: "name a place that can be written to",
    errno.EACCES: "name a place that you may write to",
    errno.EPERM: "name a place that you may write to",
    errno.ENOENT: "make its folder first, or name another place",
    errno.ENOTDIR: "name another place",
    errno.EISDIR: "name a file",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.ELOOP: "name the file, not a link",
}


def not_written(path: Path, error: OSError) -> WriteError:
    """Say that something cannot be written, why, and the way out."""
    if isinstance(error, WriteError):
        return error
    why = error.strerror or str(error)
    return WriteError(f"{path} cannot be written ({why}): {_WAYS_OUT.get(error.errno or 0, _SYSTEM)}.")


def is_stream(path: Path) -> bool:
    """Tell whether a target is a device or a pipe, which takes what is written and keeps no file.

    Raises
    ------
    WriteError
        If it is there and nothing to write to: a folder, a disk, a socket, a link to itself.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise not_written(path, error if isinstance(error, OSError) else OSError(str(error))) from None
    if stat.S_ISREG(mode):
        return is_open_already(path)
    if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
        return True
    what = "a folder" if stat.S_ISDIR(mode) else "neither a file nor a pipe"
    raise WriteError(f"{path} is {what}: name a file to write to.")


def is_open_already(path: Path) -> bool:
    """Tell whether a name stands for a file that this process has open, such as /dev/stdin."""
    return _OPEN_ALREADY.fullmatch(str(path)) is not None


def through_links(path: Path) -> Path:
    """Return where a path leads: what is put there is seen through every link to it."""
    return Path(os.path.realpath(path))


@contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a file that replaces the one at `path` when all is written; an error or a crash leaves the old.

    Parameters
    ----------
    path : Path
    durable : bool
        Whether it is on the disk, should the power fail, before this returns: needless for caches.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    if is_stream(path):
        with _saying(path), path.open("wb") as file:
            yield file
        return
    with whole_path(path, durable=durable) as partial, partial.open("wb") as file:
        yield file


@contextmanager
def whole_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a name to write to, for libraries that take names; then what lies there replaces `path`.

    Parameters, errors: see `whole_file`; a device or pipe gets what was written, too.
    """
    if is_stream(path):
        # Not beside a device: nothing but devices belongs there.
        import tempfile

        with _saying(path), tempfile.TemporaryDirectory(prefix="lightprobe-") as folder:
            yield (written := Path(folder, f"written{path.suffix}"))
            with written.open("rb") as source, path.open("wb") as file:
                shutil.copyfileobj(source, file)
        return
    target = through_links(path)
    partial = target.with_name(f".{uuid.uuid4().hex}{target.suffix[:32]}")
    with _saying(path):
        try:
            yield partial
            put_in_place(partial, target, durable=durable)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file, replacing one that lies there; see `whole_file`."""
    with whole_file(path, durable=durable) as file:
        file.write(content)


def put_in_place(partial: Path, target: Path, *, durable: bool = True) -> None:
    """Put a file that is whole in another one's place, with the permissions that are right there."""
    partial.chmod(_mode(target))
    if durable:
        _to_disk(partial)
    partial.replace(target)
    if durable:
        _to_disk(target.parent)


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file; one that a killed process left half written is cut off first.

    Raises
    ------
    WriteError
        If it cannot be written; nothing of the line is in the file then.
    """
    content = line.encode()
    with _saying(path), path.open("a+b", buffering=0) as file:
        end = _end_of_last_line(file)
        file.truncate(end)
        try:
            while content:
                content = content[file.write(content) :]
            _to_disk(path)
        except OSError:
            with suppress(OSError):
                file.truncate(end)
            raise


def put_folder_in_place(new: Path, target: Path) -> None:
    """Put a folder that is whole in another one's place; a crash at any moment leaves the one or the other.

    Linux exchanges the two in one step. Elsewhere there is a moment in which neither has its name, and
    `recover_folder` gives it back to one of them.
    """
    for file in new.rglob("*"):
        if not file.is_symlink():
            _to_disk(file)
    _to_disk(new)
    if not target.exists():
        new.rename(target)
    elif not exchange(new, target):
        old = partial_folder(target)
        target.rename(old)
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    _to_disk(target.parent)


def partial_folder(target: Path) -> Path:
    """Name a folder beside its place, to be put there when it is whole."""
    return target.parent / f".{target.name}.{uuid.uuid4().hex}"


def left_over(target: Path, age: float = 0.0) -> list[Path]:
    """Find what killed processes left beside a folder's place `age` seconds ago or more, the newest first."""
    name = re.compile(_PARTIAL.format(name=re.escape(target.name)))
    try:
        found = [
            (sibling.stat().st_mtime, sibling)
            for sibling in target.parent.iterdir()
            if name.fullmatch(sibling.name)
        ]
    except OSError:
        return []
    return [sibling for changed, sibling in sorted(found, reverse=True) if changed <= time.time() - age]


def recover_folder(target: Path, is_whole: Callable[[Path], bool]) -> bool:
    """Give a folder that is not there back its name, where a killed process had just taken it away."""
    if target.exists() or target.is_symlink():
        return False
    for folder in left_over(target):
        if is_whole(folder):
            with suppress(OSError):
                folder.rename(target)
                return True
    return False


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step (renameat2); False where the system or its disk cannot."""
    rename = _renameat2()
    if rename is None:
        return False
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if rename(here, os.fsencode(one), here, os.fsencode(other), both) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


@cache
def _renameat2() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    found = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if found is not None:
        found.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return found


@contextmanager
def _saying(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # who reads what is written has had enough
    except OSError as error:
        raise not_written(path, error) from None


def _mode(target: Path) -> int:
    """Permissions of the file that is replaced, or what the umask leaves of those of a new one."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except OSError:
        return 0o666 & ~_umask()


def _umask() -> int:
    """Read the umask; Linux tells it, and elsewhere it can only be set and set back."""
    with suppress(OSError, ValueError, StopIteration):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(next(line for line in status.splitlines() if line.startswith("Umask:"))[6:], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def set_permissions(file: Path) -> None:
    """Give a new file the permissions that the umask leaves, where a library made it its owner's alone."""
    file.chmod(0o666 & ~_umask())


def _to_disk(path: Path) -> None:
    """Wait until a file or folder is on the disk; on systems that cannot wait for folders, go on."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)


def _end_of_last_line(file: IO[bytes]) -> int:
    """Find where the last line that is whole ends."""
    place = file.seek(0, os.SEEK_END)
    while place:
        start = max(0, place - 65536)
        file.seek(start)
        found = file.read(place - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        place = start
    return 0
