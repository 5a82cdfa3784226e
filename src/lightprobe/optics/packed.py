"""Bits packed eight to a byte, as `numpy.packbits(bits, axis=1)` makes them."""

import torch

__all__ = ["unpack_bits"]


def unpack_bits(packed: torch.Tensor, n_bits: int) -> torch.Tensor:
    """One uint8 of 0 or 1 a bit, the highest bit of each byte first.

    Parameters
    ----------
    packed : torch.Tensor of shape (n_samples, ⌈n_bits / 8⌉), uint8
    n_bits : int

    Returns
    -------
    torch.Tensor of shape (n_samples, n_bits), uint8
    """
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    return (packed[:, :, None] >> shifts).bitwise_and_(1).flatten(1)[:, :n_bits]
