"""What the machine has: devices by name, and the precisions that they have arithmetic for."""

import platform

import torch

from lightprobe.errors import OptionError


def available_devices() -> list[str]:
    """List the devices of this machine, the preferred one first."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def resolve_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda`, `cuda:N` or `mps` into a device that is there.

    Raises
    ------
    OptionError
        The name is none of these, or the machine has no such device.
    """
    there = available_devices()
    wanted = {"auto": there[0], "cuda": "cuda:0"}.get(name, name)
    if wanted not in there:
        raise OptionError(f"Device {name!r} is unavailable here; there are auto, {', '.join(there)}.")
    return torch.device(wanted)


def available_precisions(device: torch.device) -> list[str]:
    """List the floating point precisions that a device has arithmetic for, the fastest first."""
    if device.type == "cuda":
        # Before compute capability 8 bf16 is emulated and slow; fp16 has tensor cores since 7.
        native = torch.cuda.get_device_capability(device) >= (8, 0)
        return ["bf16", "fp16", "fp32"] if native else ["fp16", "fp32"]
    if device.type == "mps":
        return ["fp32", "fp16"]
    return ["bf16", "fp32"] if _cpu_has_bf16() else ["fp32"]


def resolve_precision(name: str, device: torch.device) -> str:
    """Turn `auto`, `fp32`, `bf16` or `fp16` into a precision that the device has.

    Raises
    ------
    OptionError
        The name is none of these, or the device has no arithmetic for it.
    """
    there = available_precisions(device)
    if name == "auto":
        return there[0]
    if name not in there:
        raise OptionError(
            f"Precision {name!r} is unavailable on {device}, "
            f"whose arithmetic is {', '.join(there)}; auto takes the first."
        )
    return name


def has_int8(device: torch.device) -> bool:
    """Whether OpenVINO multiplies int8 exactly on a device: CPUs with VNNI or Arm's dot products.

    Older x86 CPUs add pairs of products in 16 bits, which saturate without a word.
    """
    return device.type == "cpu" and (_is_arm() or torch.cpu._is_vnni_supported())


def _is_arm() -> bool:
    return platform.machine().lower() in ("aarch64", "arm64")


def _cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware (AVX512_BF16, AMX or Arm's BF16), not by emulation."""
    # oneDNN also says yes where it would emulate (plain AVX-512), and no where ONEDNN_MAX_CPU_ISA forbids.
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    return _is_arm() or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
