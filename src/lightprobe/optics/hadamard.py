"""Fast Walsh-Hadamard transform along the last axis, as a few small matrix products."""

from typing import Any

import numpy as np

from lightprobe.devices import namespace_of
from lightprobe.errors import OptionError

__all__ = ["hadamard_matrix", "walsh_hadamard"]

_LARGEST_FACTOR = 7  # 128 × 128: large enough for the matrix units, small enough to stay in cache


def hadamard_matrix(order: int, like: Any = None) -> Any:
    """Sylvester's matrix H of ±1, H[i, j] = (−1)^(bits that i and j share), HHᵀ = order · I.

    Parameters
    ----------
    order : int
        A power of two.
    like : array or tensor, optional
        Of this kind, type and device is the matrix; without it, NumPy's float32.

    Returns
    -------
    array or tensor of shape (order, order)

    Raises
    ------
    OptionError
        If `order` is not a power of two.
    """
    if order < 1 or order & (order - 1):
        raise OptionError(f"a Hadamard matrix of order {order} was asked for; give a power of two.")
    like = np.empty(0, dtype=np.float32) if like is None else like
    xp = namespace_of(like)
    H = xp.ones((1, 1), dtype=like.dtype, device=like.device)
    while len(H) < order:
        H = xp.concat([xp.concat([H, H], axis=1), xp.concat([H, -H], axis=1)], axis=0)
    return H


def walsh_hadamard(x: Any) -> Any:
    """Return y = Hx along the last axis, unnormalised and in natural order, in O(n log n) or nearly so.

    H of order 2^p is a Kronecker product of smaller ones, so each factor of at most 128 is one matrix
    product: more arithmetic than butterflies, but at the speed of a matrix product.

    Parameters
    ----------
    x : array or tensor of shape (..., n)
        n a power of two.

    Returns
    -------
    array or tensor of shape (..., n)
    """
    order = x.shape[-1]
    if order < 1 or order & (order - 1):
        raise OptionError(f"the last axis has {order} entries; pad it to a power of two.")
    bits = order.bit_length() - 1
    n_factors = -(-bits // _LARGEST_FACTOR)
    xp = namespace_of(x)
    y, done = xp.reshape(x, (-1, order)), 1
    for i in range(n_factors):
        factor = 1 << ((bits + i) // n_factors)
        H = hadamard_matrix(factor, x)
        y = xp.reshape(y, (-1, factor)) @ H if done == 1 else H @ xp.reshape(y, (-1, factor, done))
        done *= factor
    return xp.reshape(y, x.shape)
