"""How many CPUs this process may use, which may be fewer than the machine has, and what they can do."""

import math
import os
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
MINE: Final = Path("/proc/self/cgroup")


def available_cpus() -> int:
    """Count the CPUs that this process may use: of its affinity mask, and within its cgroups' quotas.

    A quota of one CPU and a half counts as two.
    """
    return max(1, math.ceil(min(permitted_cpus(), cpu_quota())))


def permitted_cpus() -> int:
    """Count the CPUs that this process may run on, whatever share of their time it gets.

    All of the machine's, where the system has no masks.
    """
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota() -> float:
    """Return the CPUs' worth of time that Linux's cgroups, of version 1 or 2, give this process.

    The least of its own group and those around it counts; infinity without any.
    """
    try:
        groups = MINE.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # another system
        return math.inf
    return min((quota for group in groups for quota in _quotas(group)), default=math.inf)


def _quotas(group: str) -> Iterator[float]:
    """Yield the quotas that a line `number:controllers:path` of /proc/self/cgroup leads to."""
    _, controllers, path = group.split(":", 2)
    mounts = ("", "unified") if not controllers else (controllers, "cpu")
    if controllers and "cpu" not in controllers.split(","):
        return
    for root in (CGROUPS / mount for mount in mounts):
        folder = root / path.lstrip("/")
        for place in (folder, *folder.parents):
            yield _quota_at(place)
            if place == root:
                break


def _quota_at(folder: Path) -> float:
    try:
        if (folder / "cpu.max").is_file():  # version 2: quota and period in microseconds, or `max`
            quota, period = (folder / "cpu.max").read_text().split()
        else:  # version 1: below zero without a quota
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError):
        return math.inf


@cache
def cpu_features() -> frozenset[str]:
    """Names of the processor's extensions, as Linux writes them."""
    import archspec.cpu
    import archspec.cpu.detect

    # A virtual machine may hide some of a processor's extensions. archspec then knows it as a generic one,
    # which has none of those beyond AVX-512's first: what was detected is asked, too.
    return frozenset(archspec.cpu.host().features) | frozenset(archspec.cpu.detect.detected_info().features)


def onednn_may_use(names: Collection[str]) -> bool:
    """Whether oneDNN, which multiplies inside of OpenVINO and torch, is left one of these extensions.

    `names` are its own, parts of the value of ONEDNN_MAX_CPU_ISA, by which people keep it from others.
    """
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
    return any(name in most for name in names)
