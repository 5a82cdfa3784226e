"""Decoders that damaged files can crash or keep busy, each in a process of its own, with a budget.

libheif's Python binding dies of a segmentation fault on one flipped byte in some places (pi-heif 1.4),
libtiff has a long history of the kind and writes to stderr, and of AVIF, HEIC and TIFF no header says for
sure what decoding takes. Their files are decoded by helper processes, which are started when first needed and
again after a crash: a crash costs one image, and so does one that takes more time or memory than is allowed.
"""

import atexit
import math
import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import lightprobe
from lightprobe.errors import DamagedImageError, ImageError, ImageTooLargeError, UnsupportedImageError
from lightprobe.images.pillow import BYTES_A_PIXEL, decode_with_pillow

ISOLATED_KINDS = frozenset(("AVIF", "HEIC", "TIFF"))

# A photo takes well under a second, the largest that are allowed some five.
_CPU_SECONDS = 20
# On the clock, should other work have the cores.
_PATIENCE_SECONDS = 60.0
# Beside the picture: tables, threads' stacks.
_SPARE_BYTES = 128 << 20
# Less goes through the pipe as fast.
_SHARED_FROM_BYTES = 1 << 20
# Of shared memory that is kept for the next picture.
_KEPT_BYTES = 64 << 20
_OUT_OF_TIME = getattr(signal, "SIGXCPU", 0)  # which Windows has not

_REQUEST = struct.Struct("<QQ8s")  # bytes that follow, most pixels, format
# Height, width, what is shown as white or NaN; then bytes of the reason that follows and which error it is.
_REPLY = struct.Struct("<QQdQB")
_ERRORS: tuple[type[ImageError], ...] = (
    ImageError,
    DamagedImageError,
    UnsupportedImageError,
    ImageTooLargeError,
)


_HELPER_CODE = f"from {__name__} import serve; serve({{}})"


class _CrashedError(Exception):
    """The helper process ended before it answered."""


class _Helper:
    """One helper process; one thread at a time talks to it."""

    def __init__(self) -> None:
        # Pixels come through memory that both processes see, where there is such (Linux), or else the pipe.
        self._shared = os.memfd_create("lightprobe-pixels") if hasattr(os, "memfd_create") else -1
        self._late = False
        package = str(Path(lightprobe.__file__).parents[1])
        paths = [package, os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and a fixed command
            [sys.executable, "-c", _HELPER_CODE.format(self._shared)],
            pass_fds=() if self._shared < 0 else (self._shared,),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )

    def decode(self, data: bytes, kind: str, max_pixels: int) -> tuple[NDArray[np.uint8], float | None]:
        """Return what `decode_with_pillow` returns there, or raise what it raises there."""
        _WATCH.expect(self)
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(_REQUEST.pack(len(data), max_pixels, kind.encode()))
            self._process.stdin.write(data)
            self._process.stdin.flush()
            height, width, white, n_reason, which = _REPLY.unpack(self._receive(_REPLY.size))
            if n_reason:
                raise _ERRORS[which](self._receive(n_reason).decode())
            pixels = self._pixels(height * width * 3)
            return pixels.reshape(height, width, 3), None if math.isnan(white) else white
        except OSError as error:
            raise _CrashedError from error
        finally:
            _WATCH.done(self)

    def _receive(self, n_bytes: int) -> bytearray:
        assert self._process.stdout is not None
        buffer = bytearray(n_bytes)
        view = memoryview(buffer)
        while view:
            received = self._process.stdout.readinto1(view)  # type: ignore[attr-defined]  # a BufferedReader
            if not received:
                raise _CrashedError
            view = view[received:]
        return buffer

    def _pixels(self, n_bytes: int) -> NDArray[np.uint8]:
        if self._shared < 0 or n_bytes < _SHARED_FROM_BYTES:
            return np.frombuffer(self._receive(n_bytes), np.uint8)
        with mmap.mmap(self._shared, n_bytes, access=mmap.ACCESS_READ) as memory:
            pixels = np.frombuffer(memory, np.uint8).copy()
        if n_bytes > _KEPT_BYTES:
            os.ftruncate(self._shared, 0)
        return pixels

    def stop(self) -> None:
        """End it, as it takes too long."""
        self._late = True
        self._process.kill()

    def why_it_ended(self) -> str:
        """Say what became of a helper that does not answer any more."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        if self._late or self._process.returncode == -_OUT_OF_TIME:
            return "takes too long to decode"
        return "its decoder crashed"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        if self._shared >= 0:
            os.close(self._shared)
            self._shared = -1


class _Watch:
    """Stops helpers that take too long; one thread for all, which sleeps while none is at work."""

    def __init__(self) -> None:
        self._since: dict[_Helper, float] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def expect(self, helper: _Helper) -> None:
        """Watch a helper from now on."""
        with self._changed:
            self._since[helper] = time.monotonic()
            if self._thread is None or not self._thread.is_alive():  # as after a fork
                self._thread = threading.Thread(target=self._run, name="lightprobe-watch", daemon=True)
                self._thread.start()
            elif len(self._since) == 1:
                self._changed.notify()

    def done(self, helper: _Helper) -> None:
        """Watch it no more."""
        with self._changed:
            del self._since[helper]

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._since:
                    self._changed.wait()
                now = time.monotonic()
                late = [one for one, since in self._since.items() if now - since > _PATIENCE_SECONDS]
            for helper in late:
                helper.stop()
            time.sleep(min(1.0, _PATIENCE_SECONDS))


_WATCH = _Watch()


class _Pool:
    """Idle helpers of this process; there are as many as threads that ever decoded at once."""

    def __init__(self) -> None:
        self._idle: list[_Helper] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def decode(self, data: bytes, kind: str, max_pixels: int) -> tuple[NDArray[np.uint8], float | None]:
        try:
            helper = self._take()
        except OSError as error:
            raise ImageError(f"no process to decode {kind} can be started: {error.strerror}") from None
        try:
            decoded = helper.decode(data, kind, max_pixels)
        except ImageError:
            self._give(helper)
            raise
        except _CrashedError:
            why = helper.why_it_ended()
            helper.close()
            raise DamagedImageError(f"damaged {kind}: {why}") from None
        self._give(helper)
        return decoded

    def close(self) -> None:
        with self._lock:
            helpers, self._idle = self._idle, []
        if os.getpid() == self._owner:
            for helper in helpers:
                helper.close()

    def _take(self) -> _Helper:
        with self._lock:
            if os.getpid() != self._owner:
                # After a fork the helpers, and what goes through their pipes, are the parent's.
                self._idle, self._owner = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        return _Helper()

    def _give(self, helper: _Helper) -> None:
        with self._lock:
            self._idle.append(helper)


_POOL = _Pool()
atexit.register(_POOL.close)


def decode_isolated(data: bytes, kind: str, max_pixels: int) -> tuple[NDArray[np.uint8], float | None]:
    """Decode as `decode_with_pillow` does, in a helper process; ImageError also if that crashes."""
    return _POOL.decode(data, kind, max_pixels)


def serve(shared: int = -1) -> None:
    """Answer requests from stdin on stdout until stdin ends; the whole of a helper process.

    `shared`: descriptor of the memory for pixels; -1 sends them on stdout.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Answers go to the original stdout; whatever a library prints goes the way of stderr.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests = sys.stdin.buffer
    limited = 0
    while head := requests.read(_REQUEST.size):
        n_bytes, max_pixels, kind = _REQUEST.unpack(head)
        data = requests.read(n_bytes)
        if max_pixels != limited:
            _limit_memory(max_pixels)
            limited = max_pixels
        _limit_time()
        try:
            pixels, white = decode_with_pillow(data, kind.rstrip(b"\0").decode(), max_pixels)
        except ImageError as error:
            reason = error.reason.encode()
            answers.write(_REPLY.pack(0, 0, math.nan, len(reason), _ERRORS.index(type(error))) + reason)
        else:
            in_memory = shared >= 0 and pixels.nbytes >= _SHARED_FROM_BYTES
            if in_memory:
                _share(pixels, shared)
            answers.write(_REPLY.pack(*pixels.shape[:2], math.nan if white is None else white, 0, 0))
            if not in_memory:
                answers.write(np.ascontiguousarray(pixels).data)
        answers.flush()


def _share(pixels: NDArray[np.uint8], shared: int) -> None:
    """Put pixels where the other process sees them."""
    if os.fstat(shared).st_size < pixels.nbytes:
        os.ftruncate(shared, pixels.nbytes)
    with mmap.mmap(shared, pixels.nbytes) as memory:
        np.copyto(np.frombuffer(memory, np.uint8).reshape(pixels.shape), pixels)


def _limit_time() -> None:
    """Bound the time that this process may take for the next image, where that is possible."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + _CPU_SECONDS)


def _limit_memory(max_pixels: int) -> None:
    """Bound the memory that this process may take beside what it has now, where that is possible."""
    with suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
        budget = max(max_pixels * BYTES_A_PIXEL, _SPARE_BYTES) + _SPARE_BYTES
        _lower(resource.RLIMIT_DATA, pages * resource.getpagesize() + budget)


def _lower(which: int, soft: int) -> None:
    import resource

    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
