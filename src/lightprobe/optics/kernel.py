"""Kernels in closed form: what infinitely many random features converge to.

    linear   k(x, y) = x·y
    optical  k(x, y) = E |x·r|²ˢ |y·r|²ˢ = (s!)² Σ_i C(s, i)² (|x|²|y|²)^(s−i) (x·y)^(2i)

with r complex Gaussian, E|r|² = 1, and degree s; s = 1 is |x|²|y|² + (x·y)². Ohana et al. 2019
(arXiv 1910.09880) write the exponent of |x·r|, 2s, where this module writes s.

Everything is built from inner products, and those of integers are exact: bits by an int8 product, other
bytes (a camera's speckle) by two, shifted and split so that no processor's int8 unit saturates. Floats
are multiplied in float32 (float64 if given so) over blocks of columns and summed in float64.
"""

from collections.abc import Callable, Sequence
from math import comb, factorial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightprobe.errors import OptionError

Floats = NDArray[np.float64]

BLOCK_ROWS = 2048
OPTICAL_ROWS = 256
FLOAT_COLUMNS = 4096
# A shifted byte is within ±128 and half of another within ±64: 2¹⁷ products of them stay below 2³¹.
BYTE_COLUMNS = 2**17


def linear_kernel(X: NDArray[Any], Y: NDArray[Any] | None = None, *, device: str = "cpu") -> Floats:
    """Inner products k(x, y) = x·y.

    Parameters
    ----------
    X : (n, m), Y : (l, m), both uint8 or both floating; Y None means X, at half the work.
    device : str
        Where to multiply, as torch names it.

    Returns
    -------
    (n, l) float64; exact for uint8.
    """
    other = X if Y is None else Y
    _check(X, other)
    multiply = _multiplier(X, other)
    products = np.empty((len(X), len(other)))
    for i in range(0, len(X), BLOCK_ROWS):
        left = _tensor(X[i : i + BLOCK_ROWS], device)
        for j in range(i if Y is None else 0, len(other), BLOCK_ROWS):
            right = left if Y is None and i == j else _tensor(other[j : j + BLOCK_ROWS], device)
            block = multiply(left, right).cpu().numpy()
            products[i : i + BLOCK_ROWS, j : j + BLOCK_ROWS] = block
            if Y is None and j > i:
                products[j : j + BLOCK_ROWS, i : i + BLOCK_ROWS] = block.T
    return products


def optical_kernel(
    X: NDArray[Any], Y: NDArray[Any] | None = None, *, degree: int = 1, device: str = "cpu"
) -> Floats:
    """Kernel of the random optical map |xR|^(2·degree) / √k.

    Parameters
    ----------
    X, Y, device
        As for `linear_kernel`.
    degree : int ≥ 1
        Half the power of |xR|; 1 is what a camera sees.

    Returns
    -------
    (n, l) float64; exact for bits at degree 1 up to 67 million of them.
    """
    if degree < 1:
        raise OptionError(f"degree is {degree}; it must be a whole number of 1 or more.")
    products = linear_kernel(X, Y, device=device)
    lengths = squared_lengths(X)
    others = lengths if Y is None else squared_lengths(Y)
    for start in range(0, len(products), OPTICAL_ROWS):
        rows = slice(start, start + OPTICAL_ROWS)
        products[rows] = _optical(products[rows], np.outer(lengths[rows], others), degree)
    return products


def squared_lengths(X: NDArray[Any]) -> Floats:
    """|x|² of every row, (n,), in float64; exact for uint8."""
    if _are_bits(X):
        return np.array([np.count_nonzero(row) for row in X], dtype=np.float64)
    lengths = np.empty(len(X))
    step = max(1, BLOCK_ROWS * FLOAT_COLUMNS // (4 * max(1, X.shape[1])))
    for start in range(0, len(X), step):
        block = X[start : start + step].astype(np.float64)
        lengths[start : start + step] = np.einsum("ij,ij->i", block, block)
    return lengths


def sum_kernels(
    kernels: Sequence[Floats], scales: Sequence[float] | None = None
) -> tuple[Floats, list[float]]:
    """Add kernels of several layers or networks so that each weighs the same: Σ K / s, s = tr(Kc)/n.

    Parameters
    ----------
    kernels : sequence of (n, l)
    scales : sequence of float or None
        The training kernels' s, for kernels between new rows and training rows; None computes them.

    Returns
    -------
    (n, l) the sum, and the scales
    """
    if scales is None:
        scales = [float(np.trace(K) / len(K) - K.mean()) for K in kernels]
    total = np.zeros_like(kernels[0])
    for K, scale in zip(kernels, scales, strict=True):
        total += K / scale
    return total, list(scales)


# Cheapest first: where leave-one-out cannot tell two apart, the earlier one is taken.
KERNELS: dict[str, Callable[..., Floats]] = {"linear": linear_kernel, "optical": optical_kernel}


def _optical(products: Floats, lengths: Floats, degree: int) -> Floats:
    squares = products**2
    terms = (comb(degree, i) ** 2 * lengths ** (degree - i) * squares**i for i in range(degree + 1))
    total: Floats = factorial(degree) ** 2 * sum(terms, np.zeros_like(products))
    return total


def _check(X: NDArray[Any], Y: NDArray[Any]) -> None:
    allowed = (np.uint8, np.float16, np.float32, np.float64)
    if X.dtype != Y.dtype or X.dtype not in allowed:
        raise OptionError(
            f"Kernels of {X.dtype} and {Y.dtype} rows are not defined; "
            "give both as uint8, float16, float32 or float64."
        )
    if X.ndim != 2 or Y.ndim != 2 or X.shape[1] != Y.shape[1]:
        raise OptionError(f"Rows of shapes {X.shape} and {Y.shape} do not match; both need the same columns.")


def _multiplier(X: NDArray[Any], Y: NDArray[Any]) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    if X.dtype != np.uint8:
        return _multiply_floats
    return _multiply_bits if _are_bits(X) and (Y is X or _are_bits(Y)) else _multiply_bytes


def _are_bits(X: NDArray[Any]) -> bool:
    return X.dtype == np.uint8 and X.max(initial=0) <= 1


def _tensor(block: NDArray[Any], device: str) -> torch.Tensor:
    # torch warns of read-only memory (a memory map) although nothing here writes to it
    return torch.from_numpy(block if block.flags.writeable else block.copy()).to(device)


def _multiply_bits(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    return _int_mm(X.view(torch.int8), Y.view(torch.int8)).double()


def _multiply_bytes(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """x·y = (x−128)·(y−128) + 128 (Σx + Σy) − 128² m, with y−128 = 2h + l, |h| ≤ 64, l in {0, 1}."""
    m = X.shape[1]
    total = torch.zeros(len(X), len(Y), dtype=torch.int64, device=X.device)
    for start in range(0, m, BYTE_COLUMNS):
        x = _shift(X[:, start : start + BYTE_COLUMNS])
        y = _shift(Y[:, start : start + BYTE_COLUMNS])
        total += 2 * _int_mm(x, y >> 1).long() + _int_mm(x, y & 1).long()
    total += 128 * (X.sum(dim=1, dtype=torch.int64)[:, None] + Y.sum(dim=1, dtype=torch.int64))
    return (total - 128**2 * m).double()


def _shift(X: torch.Tensor) -> torch.Tensor:
    """Bytes minus 128, as int8: flipping the top bit is that subtraction."""
    return (X ^ 128).view(torch.int8)


def _int_mm(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    return torch._int_mm(X, Y.T)


def _multiply_floats(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    working = torch.float64 if X.dtype == torch.float64 else torch.float32
    total = torch.zeros(len(X), len(Y), dtype=torch.float64, device=X.device)
    for start in range(0, X.shape[1], FLOAT_COLUMNS):
        x = X[:, start : start + FLOAT_COLUMNS].to(working)
        y = Y[:, start : start + FLOAT_COLUMNS].to(working)
        total += x @ y.T
    return total
