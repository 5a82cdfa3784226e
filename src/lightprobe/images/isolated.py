"""Decoders that damaged files can crash, each in a process of its own.

libheif's Python binding dies of a segmentation fault on one flipped byte in some places (pi-heif 1.4),
and libtiff has a long history of the kind and writes to stderr. Their files are decoded by helper
processes, which are started when first needed and again after a crash: a crash costs one image.
"""

import atexit
import math
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import lightprobe
from lightprobe.errors import DamagedImageError, ImageError, ImageTooLargeError, UnsupportedImageError
from lightprobe.images.pillow import decode_with_pillow

ISOLATED_KINDS = frozenset(("HEIC", "TIFF"))

# A photo takes well under a second; a decoder that is led into an endless loop is stopped.
_PATIENCE_SECONDS = 60.0

_REQUEST = struct.Struct("<QQ8s")  # bytes that follow, most pixels, format
# Height, width, what is shown as white or NaN; then bytes of the reason that follows and which error it is.
_REPLY = struct.Struct("<QQdQB")
_ERRORS: tuple[type[ImageError], ...] = (
    ImageError,
    DamagedImageError,
    UnsupportedImageError,
    ImageTooLargeError,
)


class _CrashedError(Exception):
    """The helper process ended before it answered."""


class _Helper:
    """One helper process; one thread at a time talks to it."""

    def __init__(self) -> None:
        package = str(Path(lightprobe.__file__).parents[1])
        paths = [package, os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and a fixed command
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )

    def decode(self, data: bytes, kind: str, max_pixels: int) -> tuple[NDArray[np.uint8], float | None]:
        """Return what `decode_with_pillow` returns there, or raise what it raises there."""
        watch = threading.Timer(_PATIENCE_SECONDS, self._process.kill)
        watch.start()
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(_REQUEST.pack(len(data), max_pixels, kind.encode()))
            self._process.stdin.write(data)
            self._process.stdin.flush()
            height, width, white, n_reason, which = _REPLY.unpack(self._receive(_REPLY.size))
            if n_reason:
                raise _ERRORS[which](self._receive(n_reason).decode())
            pixels = np.frombuffer(self._receive(height * width * 3), dtype=np.uint8)
            return pixels.reshape(height, width, 3), None if math.isnan(white) else white
        except OSError as error:
            raise _CrashedError from error
        finally:
            watch.cancel()

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

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


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
            helper.close()
            raise DamagedImageError(f"damaged {kind}: its decoder crashed") from None
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


def serve() -> None:
    """Answer requests from stdin on stdout until stdin ends; the whole of a helper process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Answers go to the original stdout; whatever a library prints goes the way of stderr.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests = sys.stdin.buffer
    while head := requests.read(_REQUEST.size):
        n_bytes, max_pixels, kind = _REQUEST.unpack(head)
        data = requests.read(n_bytes)
        try:
            pixels, white = decode_with_pillow(data, kind.rstrip(b"\0").decode(), max_pixels)
        except ImageError as error:
            reason = error.reason.encode()
            answers.write(_REPLY.pack(0, 0, math.nan, len(reason), _ERRORS.index(type(error))) + reason)
        else:
            answers.write(_REPLY.pack(*pixels.shape[:2], math.nan if white is None else white, 0, 0))
            answers.write(np.ascontiguousarray(pixels).data)
        answers.flush()
