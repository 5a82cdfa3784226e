"""The precisions that a device has arithmetic for."""

import platform
from typing import Final

from lightprobe.cpus import cpu_features, onednn_may_use
from lightprobe.devices import import_torch
from lightprobe.errors import OptionError

# oneDNN's names of what a processor may be used as (ONEDNN_MAX_CPU_ISA) that have the arithmetic.
_WITH_VNNI: Final = ("VNNI", "BF16", "FP16", "AMX", "AVX10", "DEFAULT", "ALL")
_WITH_BF16: Final = ("BF16", "FP16", "AMX", "AVX10", "DEFAULT", "ALL")


def available_precisions(device: str) -> list[str]:
    """List the floating point precisions that a device has arithmetic for, the fastest first.

    On Arm's CPUs bf16 comes last: torch has it there, OpenVINO, which runs networks by default, has not.
    """
    if device.startswith("cuda"):
        torch = import_torch(f"Device {device}")
        # Before compute capability 8 bf16 is emulated and slow; fp16 has tensor cores since 7.
        native = torch.cuda.get_device_capability(device) >= (8, 0)
        return ["bf16", "fp16", "fp32"] if native else ["fp16", "fp32"]
    if device == "mps":
        return ["fp32", "fp16"]
    if not _cpu_has_bf16():
        return ["fp32"]
    return ["fp32", "bf16"] if _is_arm() else ["bf16", "fp32"]


def resolve_precision(name: str, device: str) -> str:
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


def has_int8(device: str) -> bool:
    """Whether OpenVINO multiplies int8 exactly on a device: CPUs with VNNI or Arm's dot products.

    Older x86 CPUs add pairs of products in 16 bits, which saturate without a word.
    """
    if device != "cpu":
        return False
    vnni = {"avx512_vnni", "avx_vnni", "amx_int8"} & cpu_features()
    return _is_arm() or (bool(vnni) and onednn_may_use(_WITH_VNNI))


def _cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware (AVX512_BF16, AMX or Arm's BF16), not by emulation."""
    if _is_arm():
        return "bf16" in cpu_features()
    return bool({"avx512_bf16", "amx_bf16"} & cpu_features()) and onednn_may_use(_WITH_BF16)


def _is_arm() -> bool:
    return platform.machine().lower() in ("aarch64", "arm64")
