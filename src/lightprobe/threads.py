"""Threads that share out matrix products of NumPy's, and wait without taking a core.

The threads of NumPy's own library (OpenBLAS) wait for each other in busy loops: beside other work they take
several times as long as one thread alone. So its products run in the thread that asks for them, and large
ones are parted here, among threads that sleep until they have something to do.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")


def cpu_threads() -> int:
    """Count the threads that may compute: OMP_NUM_THREADS, or the CPUs that this process may run on."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let products run in the threads that ask for them; for the whole process, and only within."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


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


@cache
def _controller() -> ThreadpoolController:
    import numpy.linalg  # noqa: F401  what is to be limited must be loaded

    return ThreadpoolController()
