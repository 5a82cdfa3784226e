"""Devices and precisions that are not there are refused, and the ones that are get named."""

import pytest
import torch
from lightprobe.backbones.engines.devices import available_precisions, resolve_device, resolve_precision

from lightprobe.backbones.engines import devices
from lightprobe.errors import OptionError

CPU = torch.device("cpu")


def test_auto_is_the_first_device_there_is() -> None:
    assert str(resolve_device("auto")) == devices.available_devices()[0]
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "tpu", "", "cpu:0"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(OptionError, match=r"there are auto, .*cpu"):
        resolve_device(name)


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_is_bf16_where_the_cpu_has_it(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, expected: str
) -> None:
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: has_bf16)
    assert resolve_precision("auto", CPU) == expected


def test_a_precision_without_arithmetic_is_refused_with_those_that_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: False)
    with pytest.raises(OptionError, match="'bf16' is unavailable on cpu, whose arithmetic is fp32"):
        resolve_precision("bf16", CPU)
    with pytest.raises(OptionError, match="'fp8'"):
        resolve_precision("fp8", CPU)


def test_every_device_has_fp32() -> None:
    for name in devices.available_devices():
        assert "fp32" in available_precisions(torch.device(name))
