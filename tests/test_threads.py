"""Threads: the limit on those of NumPy's products, and work that is shared out."""

import subprocess
import sys
import threading
from functools import cache

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from lightprobe.threads import one_blas_thread, share_out


@cache
def numpys_libraries() -> list[str]:
    """Files that NumPy loads; SciPy brings others, when it comes."""
    program = """
import numpy, threadpoolctl
for library in threadpoolctl.threadpool_info():
    print(library["filepath"])
"""
    return subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()


def blas_threads() -> set[int]:
    ours = [library for library in threadpool_info() if library["filepath"] in numpys_libraries()]
    return {library["num_threads"] for library in ours if library["user_api"] == "blas"}


def test_the_limit_ends_with_the_last_of_those_who_want_it_whoever_began() -> None:
    share_out(lambda _: None, range(2))  # from this thread, after which others may set the limit, too
    before = blas_threads()
    began, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with one_blas_thread():
            began.set()
            may_end.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert began.wait(10)
    with one_blas_thread():
        may_end.set()
        holder.join()
        assert blas_threads() == {1}, "who began has ended, and this has not"
    assert blas_threads() == before


def test_every_part_is_worked_on_once_and_an_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    done = np.zeros(20, np.int64)

    def work(part: int) -> None:
        if part == 19:
            raise ValueError("the last part")
        done[part] += 1

    with pytest.raises(ValueError, match="the last part"):
        share_out(work, range(20))
    assert done.tolist() == [1] * 19 + [0]
