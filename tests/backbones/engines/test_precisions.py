"""Precisions that are not there are refused, and the ones that are get named."""

from pathlib import Path

import pytest

from lightprobe.backbones.engines import precisions
from lightprobe.backbones.engines.precisions import available_precisions, has_int8, resolve_precision
from lightprobe.cpus import cpu_features
from lightprobe.devices import CPU, available_devices
from lightprobe.errors import OptionError


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_is_bf16_where_the_cpu_has_it(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, expected: str
) -> None:
    monkeypatch.setattr(precisions, "_cpu_has_bf16", lambda: has_bf16)
    monkeypatch.setattr(precisions, "_is_arm", lambda: False)
    assert resolve_precision("auto", CPU) == expected


def test_a_precision_without_arithmetic_is_refused_with_those_that_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precisions, "_cpu_has_bf16", lambda: False)
    with pytest.raises(OptionError, match="'bf16' is unavailable on cpu, whose arithmetic is fp32"):
        resolve_precision("bf16", CPU)
    with pytest.raises(OptionError, match="'fp8'"):
        resolve_precision("fp8", CPU)


def test_every_device_has_fp32() -> None:
    for device in available_devices():
        assert "fp32" in available_precisions(device)


# Where (machine, features of the processor, ONEDNN_MAX_CPU_ISA) lead: precisions, int8.
@pytest.mark.parametrize(
    ("machine", "features", "most", "precisions_there", "int8"),
    [
        ("x86_64", {"avx512_bf16", "avx512_vnni"}, None, ["bf16", "fp32"], True),
        ("x86_64", {"amx_bf16", "amx_int8"}, "ALL", ["bf16", "fp32"], True),
        ("x86_64", {"avx512_bf16", "avx512_vnni"}, "AVX2", ["fp32"], False),
        ("x86_64", {"avx512_bf16", "avx512_vnni"}, "AVX512_CORE_VNNI", ["fp32"], True),
        ("AMD64", {"avx2"}, None, ["fp32"], False),
        ("aarch64", {"bf16"}, None, ["fp32", "bf16"], True),
        ("arm64", set(), None, ["fp32"], True),
    ],
)
def test_the_processor_and_what_it_may_be_used_as_decide(
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    features: set[str],
    most: str | None,
    precisions_there: list[str],
    int8: bool,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(precisions, "cpu_features", lambda: frozenset(features))
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if most is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    assert available_precisions(CPU) == precisions_there
    assert resolve_precision("auto", CPU) == precisions_there[0]
    assert has_int8(CPU) == int8
    assert not has_int8("cuda:0")


def test_every_extension_that_linux_names_is_known() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        pytest.skip("needs Linux's /proc/cpuinfo")
    lines = [
        line for line in cpuinfo.read_text().splitlines() if line.lower().startswith(("flags", "feature"))
    ]
    named = set(lines[0].partition(":")[2].split())
    assert named - cpu_features() == set()
