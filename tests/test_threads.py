"""Threads: the limit on those of NumPy's products, work that is shared out, and those that others start."""

import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.toy_network import toy_network
from threadpoolctl import threadpool_info

from lightprobe.threads import one_blas_thread, passive_threads, share_out


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


def environment_after(program: str, **given: str) -> list[str]:
    """The variables that OpenMP reads, as a fresh process has them after a program."""
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
    said = f"\nimport os; print(*(os.environ.get(name, '-') for name in {names}))"
    own = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program + said],
        env=own | given,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()


def test_the_command_line_lets_threads_sleep_and_a_library_leaves_them_alone() -> None:
    shell = "import sys; sys.argv = ['lightprobe', 'backbones']; from lightprobe.cli import main; main()"
    assert environment_after(shell)[:3] == ["PASSIVE", "0", "0"]
    asked = environment_after(shell, OMP_WAIT_POLICY="ACTIVE", OMP_NUM_THREADS="2")
    assert asked == ["ACTIVE", "0", "0", "2"]
    within = "from lightprobe.cli import main; main(['backbones']); import lightprobe.optics"
    assert environment_after(within) == ["-", "-", "-", "-"]
    offered = "import lightprobe; lightprobe.passive_threads()"
    assert environment_after(offered)[:3] == ["PASSIVE", "0", "0"]


def test_under_a_quota_no_more_threads_are_started_than_it_is_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    quota = "import lightprobe.cpus; lightprobe.cpus.cpu_quota = lambda: 0.5; lightprobe.cpus.permitted_cpus"
    offered = f"{quota} = lambda: 4; import lightprobe; lightprobe.passive_threads()"
    assert environment_after(offered)[-1] == "1"
    assert environment_after(offered, OMP_NUM_THREADS="3")[-1] == "3"


def test_passive_threads_that_come_too_late_are_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", sys)
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.setenv(name, "as it was")
    with pytest.warns(RuntimeWarning, match="passive_threads was called after .*torch.* had been imported"):
        passive_threads()
    assert os.environ["OMP_WAIT_POLICY"] == "as it was"


def test_networks_take_no_more_threads_than_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightprobe.backbones import compile_on_cpu, import_openvino

    network = import_openvino().Core().read_model(toy_network(tmp_path / "toy.onnx"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert compile_on_cpu(network, {}).get_property("INFERENCE_NUM_THREADS") == 1
