"""Threads that share out matrix products of NumPy's, and wait without taking a core.

The threads of NumPy's own library (OpenBLAS) wait for each other in busy loops: beside other work they take
several times as long as one thread alone. So its products run in the thread that asks for them, and large
ones are parted here, among threads that sleep until they have something to do.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from threading import Lock
from typing import Any, Final, TypeVar

from threadpoolctl import OpenBLASController, ThreadpoolController

T = TypeVar("T")


def cpu_threads() -> int:
    """Count the threads that may compute: OMP_NUM_THREADS, or the CPUs that this process may run on."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Limit(AbstractContextManager[None]):
    """One limit for all who want it at the same time: the first sets it, the last one takes it off."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._users = 0
        self._limiter: Any = None

    def __enter__(self) -> None:
        with self._turn:
            if not self._users:
                with _in_control():
                    self._limiter = _controller().limit(limits=1, user_api="blas")
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._users -= 1
            if not self._users:
                with _in_control():
                    self._limiter.restore_original_limits()


_limit: Final = _Limit()


def one_blas_thread() -> AbstractContextManager[None]:
    """Let products run in the threads that ask for them; for the whole process, and only within."""
    return _limit


def share_out(work: Callable[[T], Any], parts: Sequence[T]) -> None:
    """Do the work for each part, in as many threads as may compute, and raise the first error."""
    threads = min(cpu_threads(), len(parts))
    with one_blas_thread():
        if threads < 2:
            for part in parts:
                work(part)
            return
        with ThreadPoolExecutor(threads, "lightprobe-product") as pool:
            for _ in pool.map(work, parts):
                pass


@contextmanager
def _in_control() -> Iterator[None]:
    """Let this thread set OpenBLAS's threads, and any after it: threadpoolctl heeds the first that did."""
    OpenBLASController.clear_controlling_thread(force=True)
    try:
        yield
    finally:
        OpenBLASController.clear_controlling_thread(force=True)


@cache
def _controller() -> ThreadpoolController:
    import numpy.linalg  # noqa: F401  what is to be limited must be loaded

    return ThreadpoolController()
