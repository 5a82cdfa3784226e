"""Where double precision is to be had."""

import torch


def double_device(name: str) -> str:
    """Return the device, as torch names it, that has double precision: the CPU in place of `mps`.

    `auto` is CUDA where there is one.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cpu" if name.startswith("mps") else name
