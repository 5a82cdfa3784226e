"""What machines there are to compute on, by name: the CPU, and torch's CUDA and MPS devices.

Torch is an extra. It is imported only where the machine may have a device for it, so that on a computer
without one nobody waits for the import.
"""

import ctypes.util
import importlib.util
import platform
import sys
from pathlib import Path
from typing import Any, Final

from lightprobe.errors import MissingExtraError, OptionError

CPU: Final = "cpu"


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


def import_torch(what: str) -> Any:
    """Import torch; MissingExtraError says that `what` needs it."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "torch", what) from error
    return torch


def _may_have_accelerator() -> bool:
    """Whether a driver of NVIDIA's or an Apple processor is here, told without loading anything."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return ctypes.util.find_library("nvcuda") is not None
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()  # the second is that of WSL
