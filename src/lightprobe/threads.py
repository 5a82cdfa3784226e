"""Threads that share out matrix products of NumPy's, and wait without taking a core.

The threads of NumPy's own library (OpenBLAS) wait for each other in busy loops: beside other work they take
several times as long as one thread alone. So its products run in the thread that asks for them, and large
ones are parted here, among threads that sleep until they have something to do.

The threads of OpenMP, which torch's and scikit-learn's products run in, wait in busy loops, too, unless they
were told otherwise before they were loaded: `passive_threads` does that, for the command line and for
programs that want it. A library that is imported changes no threads of its host's.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from threading import Lock
from typing import Any, Final, TypeVar

from threadpoolctl import OpenBLASController, ThreadpoolController

from lightprobe.cpus import available_cpus, permitted_cpus

T = TypeVar("T")

# Of any OpenMP, of GNU's, and of Intel's and LLVM's, each of which would spin for a while first.
_PASSIVE: Final = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
_WITH_OPENMP: Final = ("torch", "sklearn")


def cpu_threads() -> int:
    """Count the threads that may compute: OMP_NUM_THREADS, or the CPUs that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return available_cpus()


def fewer_threads() -> int | None:
    """Count the threads that may compute where they are fewer than libraries would start; else None.

    Libraries count the CPUs of the affinity mask, but know of no quota.
    """
    threads = cpu_threads()
    return threads if threads < permitted_cpus() else None


def passive_threads() -> None:
    """Let OpenMP's threads sleep while they wait, and start no more than this process may use CPUs.

    Beside other work that makes torch's and scikit-learn's work up to several times as fast, and alone it
    costs nothing. Libraries read it when they are loaded, so call this before they are imported. It sets
    environment variables, which processes started later inherit; those that are set already stay.

    Warns
    -----
    RuntimeWarning
        If a library that starts threads is loaded already.
    """
    if late := [name for name in _WITH_OPENMP if name in sys.modules]:
        warnings.warn(
            f"passive_threads was called after {' and '.join(late)} had been imported, whose threads stay as "
            "they are: call it first.",
            RuntimeWarning,
            stacklevel=2,
        )
    told = dict(_PASSIVE)
    if (threads := fewer_threads()) is not None:
        told["OMP_NUM_THREADS"] = str(threads)
    for name, value in told.items():
        os.environ.setdefault(name, value)


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
