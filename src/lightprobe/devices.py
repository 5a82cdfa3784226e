"""What machines there are to compute on, by name: the CPU, and torch's CUDA and MPS devices.

Torch is an extra. It is imported only where the machine may have a device for it, so that on a computer
without one nobody waits for the import.

Array code that runs on both is written once, against the array API standard: `array_namespace(device)` is
NumPy for `cpu`, which follows it since 2.1, and torch by way of array-api-compat for anything else;
`to_device` and `to_numpy` carry arrays there and back.
"""

import ctypes.util
import importlib.util
import platform
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import MissingExtraError, OptionError

CPU: Final = "cpu"
TORCH_CPU: Final = "cpu:0"  # torch's name for it, which leads to tensors where `cpu` leads to NumPy


def available_devices() -> list[str]:
    """List the devices of this machine, the preferred one first."""
    if not _may_have_accelerator() or importlib.util.find_spec("torch") is None:
        return [CPU]
    import torch

    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, CPU]


def resolve_device(name: str) -> str:
    """Turn `auto`, `cpu`, `cuda`, `cuda:N` or `mps` into a device that is there.

    Raises
    ------
    OptionError
        The name is none of these, or the machine has no such device.
    MissingExtraError
        The device needs torch, which is not installed.
    """
    if name == CPU:
        return CPU
    there = available_devices()
    wanted = {"auto": there[0], "cuda": "cuda:0"}.get(name, name)
    if wanted not in there:
        if _may_have_accelerator() and importlib.util.find_spec("torch") is None:
            raise MissingExtraError("torch", "torch", f"Device {name}")
        raise OptionError(f"Device {name!r} is unavailable here; there are auto, {', '.join(there)}.")
    return wanted


def double_device(name: str) -> str:
    """Return a device that has double precision: the CPU in place of `mps`; `auto` is CUDA if it is there."""
    if name == "auto":
        name = available_devices()[0]
    return CPU if name.startswith("mps") else name


def array_namespace(device: str) -> Any:
    """Return the functions of the array API standard that compute on a device.

    Raises
    ------
    MissingExtraError
        The device is torch's, and torch is not installed.
    """
    if device == CPU:
        return np
    import_torch(f"Device {device}")
    import array_api_compat.torch

    return array_api_compat.torch


def namespace_of(array: Any) -> Any:
    """Return the functions of the array API standard for an array of NumPy's or a tensor."""
    return np if isinstance(array, np.ndarray) else array_namespace(TORCH_CPU)


def device_of(array: Any) -> str:
    """Return the device that an array of NumPy's or a tensor is on."""
    return CPU if isinstance(array, np.ndarray) else str(array.device)


def computing_device(X: Any, out: Any, device: str | None = None) -> str:
    """Return where to compute from X into `out`: on the device that is named, or on X's own.

    What the CPU is to compute of what a device holds, or in bfloat16, which NumPy lacks, is left to torch.
    """
    named = device_of(X) if device is None else device
    for_torch = device_of(X) != CPU or device_of(out) != CPU or str(out.dtype) == "torch.bfloat16"
    return TORCH_CPU if named == CPU and for_torch else named


def to_device(array: Any, device: str) -> Any:
    """Return an array where the device computes: one of NumPy's as it is on `cpu`, else a tensor."""
    if device == CPU:
        return to_numpy(array)
    if isinstance(array, np.ndarray):
        # torch warns of read-only memory (a memory map) although nothing here writes to it
        own = array if array.flags.writeable else array.copy()
        array = import_torch(f"Device {device}").from_numpy(own)
    return array.to(device)


def to_numpy(array: Any) -> NDArray[Any]:
    """Return an array or a tensor as NumPy's, in the same memory if that is the CPU's.

    Of bfloat16, which NumPy does not have, as float32.
    """
    if isinstance(array, np.ndarray):
        return array
    tensor = array.detach()
    if tensor.device.type != CPU:
        tensor = tensor.cpu()
    return np.asarray((tensor.float() if "bfloat16" in str(tensor.dtype) else tensor).numpy())


def import_torch(what: str) -> Any:
    """Import torch; MissingExtraError says that `what` needs it."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "torch", what) from error
    return torch


def _may_have_accelerator() -> bool:
    """Whether a graphics driver or an Apple processor is here, told without loading anything."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return ctypes.util.find_library("nvcuda") is not None
    # NVIDIA's driver, AMD's, and the one that Windows lends to Linux.
    return any(Path("/dev", name).exists() for name in ("nvidiactl", "kfd", "dxg"))
