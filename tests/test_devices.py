"""Devices by name, and arrays carried to them and back."""

import os
from pathlib import Path

import numpy as np
import pytest

from lightprobe import devices
from lightprobe.devices import (
    TORCH_CPU,
    computing_device,
    device_of,
    double_device,
    resolve_device,
    to_device,
    to_numpy,
)
from lightprobe.errors import MissingExtraError, OptionError
from lightprobe.threads import cpu_threads


def test_auto_is_the_first_device_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_device("auto") == devices.available_devices()[0]
    assert resolve_device("cpu") == "cpu"
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda:0", "cuda:1", "cpu"])
    assert [resolve_device(name) for name in ("auto", "cuda", "cuda:1")] == ["cuda:0", "cuda:0", "cuda:1"]


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "tpu", "", "cpu:0"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_may_have_accelerator", lambda: False)
    with pytest.raises(OptionError, match=r"there are auto, .*cpu"):
        resolve_device(name)


def test_a_device_that_only_torch_could_find_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_may_have_accelerator", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"Device cuda .*pip install 'lightprobe\[torch\]'"):
        resolve_device("cuda")
    assert resolve_device("auto") == "cpu"


@pytest.mark.parametrize(
    ("name", "there", "expected"),
    [
        ("auto", ["cuda:0", "cpu"], "cuda:0"),
        ("auto", ["cpu"], "cpu"),
        ("auto", ["mps", "cpu"], "cpu"),
        ("mps", ["mps", "cpu"], "cpu"),
        ("cuda:1", ["cuda:0", "cuda:1", "cpu"], "cuda:1"),
        ("cpu", ["cuda:0", "cpu"], "cpu"),
    ],
)
def test_doubles_are_on_the_device_that_is_named_if_it_has_them(
    name: str, there: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "available_devices", lambda: there)
    assert double_device(name) == expected


def test_numpy_keeps_its_own_memory() -> None:
    array = np.arange(3)
    assert to_device(array, "cpu") is array
    assert to_numpy(array) is array
    assert computing_device(array, array) == computing_device(array, array, "cpu") == "cpu"


@pytest.mark.torch
def test_tensors_go_there_and_back() -> None:
    import torch

    array = np.arange(3.0)
    tensor = to_device(array, TORCH_CPU)
    assert isinstance(tensor, torch.Tensor)
    assert device_of(tensor) == computing_device(tensor, tensor) == "cpu"
    np.testing.assert_array_equal(to_numpy(tensor), array)
    to_numpy(tensor)[1] = 7
    assert tensor[1] == 7, "the tensor's memory was copied"
    array[1] = 7
    np.testing.assert_array_equal(to_numpy(tensor.bfloat16()), array)
    assert to_numpy(tensor.bfloat16()).dtype == np.float32


@pytest.mark.torch
def test_what_numpy_cannot_hold_stays_with_torch() -> None:
    import torch

    array = np.empty(1)
    elsewhere, brief = torch.empty(1, device="meta"), torch.empty(1, dtype=torch.bfloat16)
    assert computing_device(elsewhere, array, "cpu") == TORCH_CPU
    assert computing_device(array, elsewhere) == TORCH_CPU
    assert computing_device(array, brief) == TORCH_CPU
    assert computing_device(brief, array) == "cpu"
    assert computing_device(elsewhere, elsewhere) == "meta"


@pytest.mark.parametrize(
    ("asked", "expected"), [("3", 3), ("2,1", 2), ("", None), ("0", None), ("many", None)]
)
def test_threads_are_as_many_as_asked_for_or_as_the_process_may_use(
    asked: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr("lightprobe.cpus.MINE", Path("nowhere"))  # no quota
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 7, 8}, raising=False)
    assert cpu_threads() == (expected or 3)


def test_without_a_mask_threads_are_as_many_as_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("lightprobe.cpus.MINE", Path("nowhere"))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert cpu_threads() == 5
