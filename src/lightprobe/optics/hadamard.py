"""Fast Walsh-Hadamard transform along the last axis, as a few small matrix products."""

import torch

from lightprobe.errors import OptionError

__all__ = ["hadamard_matrix", "walsh_hadamard"]

_LARGEST_FACTOR = 7  # 128 × 128: large enough for the matrix units, small enough to stay in cache


def hadamard_matrix(
    order: int, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Sylvester's matrix H of ±1, H[i, j] = (−1)^(bits that i and j share), HHᵀ = order · I.

    Raises
    ------
    OptionError
        If `order` is not a power of two.
    """
    if order < 1 or order & (order - 1):
        raise OptionError(f"a Hadamard matrix of order {order} was asked for; give a power of two.")
    H = torch.ones((1, 1), dtype=dtype, device=device)
    while len(H) < order:
        H = torch.cat((torch.cat((H, H), dim=1), torch.cat((H, -H), dim=1)))
    return H


def walsh_hadamard(x: torch.Tensor) -> torch.Tensor:
    """Return y = Hx along the last axis, unnormalised and in natural order, in O(n log n) or nearly so.

    H of order 2^p is a Kronecker product of smaller ones, so each factor of at most 128 is one matrix
    product: more arithmetic than butterflies, but at the speed of a matrix product.

    Parameters
    ----------
    x : torch.Tensor of shape (..., n)
        n a power of two.

    Returns
    -------
    torch.Tensor of shape (..., n)
    """
    order = x.shape[-1]
    if order < 1 or order & (order - 1):
        raise OptionError(f"the last axis has {order} entries; pad it to a power of two.")
    bits = order.bit_length() - 1
    n_factors = -(-bits // _LARGEST_FACTOR)
    y, done = x.reshape(-1, order), 1
    for i in range(n_factors):
        factor = 1 << ((bits + i) // n_factors)
        H = hadamard_matrix(factor, dtype=x.dtype, device=x.device)
        y = (y.reshape(-1, factor) @ H) if done == 1 else H @ y.reshape(-1, factor, done)
        done *= factor
    return y.reshape(x.shape)
