"""Encodings: floats to bits, or to length one.

- sign: b = 1[x > t].
- float32: chosen bits of the IEEE 754 single format (sign, exponent from its highest bit, mantissa from its
  highest bit), side by side in the row: x of m numbers becomes m · n_bits bits. The selection is that of
  lightonml's `Float32Encoder`, the layout that of its `ConcatenatedFloat32Encoder`.
- l2: x / ‖x‖; a row of zeros stays as it is.
- split, offset: for features of both signs, as the optical kernel cannot tell x from −x: the positive and the
  negative part of x / ‖x‖ side by side; x / ‖x‖ beside a constant.

Features of several networks are put side by side before any of these.

Rows are worked on in blocks, so that no second copy of a large matrix is made besides the result.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import OptionError

# About 16 MB of float32 at a time: large enough to amortise the calls, small next to any feature matrix.
BLOCK_ELEMENTS = 4_000_000
SIGN_ROWS, SIGN_SHARE = 256, 0.01  # rows that tell whether features have signs
EXP_BITS, MANTISSA_BITS = 8, 23


def sign_bits(X: NDArray[Any], threshold: float = 0.0) -> NDArray[np.uint8]:
    """Encode b = 1[x > threshold].

    Parameters
    ----------
    X : (n, m) finite numbers of any type
    threshold : float

    Returns
    -------
    (n, m) uint8, 0 or 1
    """
    bits = np.empty(X.shape, dtype=np.uint8)
    np.greater(X, threshold, out=bits.view(np.bool_))
    return bits


def float32_bits(
    X: NDArray[Any], *, sign_bit: bool = True, exp_bits: int = 8, mantissa_bits: int = 0
) -> NDArray[np.uint8]:
    """Keep chosen bits of each number's single-precision format.

    Parameters
    ----------
    X : (n, m) finite numbers
    sign_bit : bool
        Keep the sign, 1 for negative numbers.
    exp_bits, mantissa_bits : int
        How many bits to keep of the exponent (of 8) and of the mantissa (of 23), highest first.

    Returns
    -------
    (n, m · n_bits) uint8, 0 or 1; the bits of one number stand together, sign, exponent, mantissa.

    Raises
    ------
    OptionError
        A count out of range, or no bit kept at all.
    """
    kept = kept_bits(sign_bit, exp_bits, mantissa_bits)
    shifts = np.array([31 - position for position in kept], dtype=np.uint32)
    n, m = X.shape
    bits = np.empty((n, m, len(kept)), dtype=np.uint8)
    for rows in _blocks(n, m):
        words = np.ascontiguousarray(X[rows], dtype=np.float32).view(np.uint32)
        for i, shift in enumerate(shifts):
            bits[rows, :, i] = (words >> shift) & np.uint32(1)
    return bits.reshape(n, m * len(kept))


def l2_normalize(X: NDArray[Any]) -> NDArray[Any]:
    """Scale every row to length one; rows of zeros stay.

    Lengths are computed in float32 (float64 for float64), whatever the type that is kept.

    Parameters
    ----------
    X : (n, m)

    Returns
    -------
    (n, m) of the same floating type; float32 for integers
    """
    dtype = X.dtype if np.issubdtype(X.dtype, np.floating) else np.dtype(np.float32)
    working = np.promote_types(dtype, np.float32)
    normalized = np.empty(X.shape, dtype=dtype)
    blocks = _blocks(*X.shape)
    buffer = np.empty(X[blocks[0]].shape if blocks else (0, 0), dtype=working)
    for rows in blocks:
        block = buffer[: rows.stop - rows.start]
        np.copyto(block, X[rows])
        largest = np.maximum(block.max(axis=1, initial=0), -block.min(axis=1, initial=0))[:, None]
        block /= np.where(largest > 0, largest, 1)  # so that squares neither overflow nor vanish
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block))[:, None]
        block /= np.where(lengths > 0, lengths, 1)
        normalized[rows] = block
    return normalized


def split_signs(X: NDArray[Any]) -> NDArray[Any]:
    """Scale every row to length one, and part it into its positive and its negative numbers.

        x = x⁺ − x⁻  becomes  (x⁺, x⁻),    x·y becomes x⁺·y⁺ + x⁻·y⁻

    Parameters
    ----------
    X : (n, m)

    Returns
    -------
    (n, 2m) of the same floating type, none negative; float32 for integers
    """
    x = l2_normalize(X)
    return np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis=1)


def with_constant(X: NDArray[Any]) -> NDArray[Any]:
    """Scale every row to length one, and put a one beside it.

    The optical kernel of these rows is 4 + (1 + x·y)² = 5 + 2 x·y + (x·y)²: linear and optical at once.

    Parameters
    ----------
    X : (n, m)

    Returns
    -------
    (n, m + 1) of the same floating type; float32 for integers
    """
    x = l2_normalize(X)
    return np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)


def has_signs(X: NDArray[Any]) -> bool:
    """Whether features (n, m) are of both signs: one in a hundred is negative, and one positive, at least."""
    some = X[:SIGN_ROWS]
    return bool(min((some < 0).mean(), (some > 0).mean()) >= SIGN_SHARE)


def side_by_side(blocks: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Put the features of several networks in one row, each network's scaled to length one.

        x = (x_1/|x_1|, …, x_N/|x_N|),    x·y = Σ_i cos(x_i, y_i)

    So the linear kernel is the sum of the networks' own, none outweighing another, and the optical one is
    |x|²|y|² + (x·y)² = N² + (Σ_i cos_i)²: beside the squares of a sum of optical kernels it has the products
    cos_i cos_j. Of one network, the features are left as they are.

    Parameters
    ----------
    blocks : sequence of (n, m_i)

    Returns
    -------
    (n, Σ m_i)
    """
    return blocks[0] if len(blocks) == 1 else np.concatenate([l2_normalize(X) for X in blocks], axis=1)


def keep(X: NDArray[Any]) -> NDArray[Any]:
    """Leave the features as they are."""
    return X


# Cheapest first.
ENCODERS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "none": keep,
    "l2": l2_normalize,
    "split": split_signs,
    "offset": with_constant,
    "sign": sign_bits,
    "float32": float32_bits,
}


def kept_bits(sign_bit: bool, exp_bits: int, mantissa_bits: int) -> list[int]:
    """Positions in the format, 0 the sign, 1 to 8 the exponent, 9 to 31 the mantissa."""
    if not 0 <= exp_bits <= EXP_BITS:
        raise OptionError(f"exp_bits is {exp_bits}; it must be between 0 and {EXP_BITS}.")
    if not 0 <= mantissa_bits <= MANTISSA_BITS:
        raise OptionError(f"mantissa_bits is {mantissa_bits}; it must be between 0 and {MANTISSA_BITS}.")
    first = EXP_BITS + 1
    kept = [0] * bool(sign_bit) + [*range(1, exp_bits + 1)] + [*range(first, first + mantissa_bits)]
    if not kept:
        raise OptionError("No bit is kept; keep the sign bit, or at least one of exponent or mantissa.")
    return kept


def _blocks(n: int, m: int) -> list[slice]:
    size = max(1, BLOCK_ELEMENTS // max(1, m))
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
