"""Keep the thread's alternate signal stack where it was.

OpenVINO's CPU plugin gives the thread that loads it a signal stack of its own. Several plugins that are
unloaded in another order than loaded (NNCF loads some) leave the thread with one that is gone, and the next
signal, such as Ctrl-C, is a segmentation fault: Python's handlers run on that stack (OpenVINO 2026.4, Linux).
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def same_signal_stack() -> Iterator[None]:
    """Give the thread the signal stack back that it had; nothing to do but on Linux."""
    if sys.platform != "linux":
        yield
        return
    before = _swap(None)
    try:
        yield
    finally:
        _swap(before)


def signal_stack() -> int | None:
    """Address of the thread's alternate signal stack on Linux, None without one."""
    address: int | None = _swap(None).sp
    return address


def _swap(new: _Stack | None) -> _Stack:
    """Set a stack, or none, and return the one before."""
    before = _Stack()
    if ctypes.CDLL(None).sigaltstack(new and ctypes.byref(new), ctypes.byref(before)) != 0:
        raise OSError("the signal stack cannot be set")
    return before
