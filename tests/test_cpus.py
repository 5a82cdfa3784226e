"""CPUs that a process may use, by cgroups as both versions lay them out."""

import math
import os
from pathlib import Path

import pytest

from lightprobe.cpus import available_cpus, cpu_quota


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where cgroups are mounted, with `mine`, which names this process's, beside it; on eight CPUs."""
    folder = tmp_path / "cgroup"
    monkeypatch.setattr("lightprobe.cpus.CGROUPS", folder)
    monkeypatch.setattr("lightprobe.cpus.MINE", tmp_path / "mine")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return folder


def join(groups: Path, *lines: str) -> None:
    (groups.parent / "mine").write_text("".join(f"{line}\n" for line in lines))


def limit(folder: Path, quota: int | None, period: int = 100_000, *, version: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if version == 2:
        (folder / "cpu.max").write_text(f"{'max' if quota is None else quota} {period}\n")
    else:
        (folder / "cpu.cfs_quota_us").write_text(f"{-1 if quota is None else quota}\n")
        (folder / "cpu.cfs_period_us").write_text(f"{period}\n")


@pytest.mark.parametrize(
    ("version", "line", "mount"),
    [
        (2, "0::", ""),
        (2, "0::", "unified"),
        (1, "3:cpu:", "cpu"),
        (1, "3:cpu,cpuacct:", "cpu,cpuacct"),
        (1, "3:cpuacct,cpu:", "cpu"),
    ],
)
def test_the_least_quota_on_the_way_up_counts(version: int, line: str, mount: str, groups: Path) -> None:
    root = groups / mount
    join(groups, "9:memory:/elsewhere", f"{line}/slice/job")
    for quota, expected in ((None, 8), (400_000, 4), (250_000, 3), (10_000, 1)):
        limit(root / "slice" / "job", None, version=version)
        limit(root / "slice", quota, version=version)
        assert available_cpus() == expected
    limit(root / "slice" / "job", 50_000, 20_000, version=version)
    limit(root / "slice", 400_000, version=version)
    assert (cpu_quota(), available_cpus()) == (2.5, 3)


@pytest.mark.parametrize("path", ["/docker/0123", "/../../elsewhere"])
def test_in_a_container_its_own_group_is_the_mount(path: str, groups: Path) -> None:
    limit(groups, 200_000, version=2)
    join(groups, f"0::{path}")
    assert available_cpus() == 2


def test_groups_that_say_nothing_of_cpus_limit_nothing(groups: Path) -> None:
    limit(groups / "cpuset", 100_000, version=1)
    limit(groups / "nonsense", None, version=2)
    (groups / "nonsense" / "cpu.max").write_text("a b c")
    for line in ("2:cpuset:/", "1:name=systemd:/", "0::/nonsense", "0::/"):
        join(groups, line)
        assert cpu_quota() == math.inf
        assert available_cpus() == 8


def test_a_mask_narrower_than_the_quota_counts(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(groups, 400_000, version=2)
    join(groups, "0::/")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
    assert available_cpus() == 1
