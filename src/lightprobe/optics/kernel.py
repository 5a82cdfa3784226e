"""Kernels in closed form: what infinitely many random features converge to.

    linear   k(x, y) = x·y
    optical  k(x, y) = E |x·r|²ˢ |y·r|²ˢ = (s!)² Σ_i C(s, i)² (|x|²|y|²)^(s−i) (x·y)^(2i)

with r complex Gaussian, E|r|² = 1, and degree s; s = 1 is |x|²|y|² + (x·y)². Ohana et al. 2019
(arXiv 1910.09880) write the exponent of |x·r|, 2s, where this module writes s.
"""

from collections.abc import Callable, Sequence
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import OptionError
from lightprobe.optics.products import Floats, Products, gram, squared_lengths

OPTICAL_ROWS = 256  # of the kernel at a time, where several matrices of that many rows are held


class OpticalAgainst:
    """The optical kernel of any rows against fixed ones.

    Parameters
    ----------
    Y, n_rows, device
        As for Products.
    degree : int
    """

    def __init__(self, Y: NDArray[Any], n_rows: int, device: str = "cpu", degree: int = 1) -> None:
        self._products, self._lengths, self._degree = Products(Y, n_rows, device), squared_lengths(Y), degree

    def __call__(self, X: NDArray[Any]) -> Floats:
        """k(X, Y), (n, l) float64."""
        return self._of_products(self._products(X), squared_lengths(X))

    def with_cosines(self, X: NDArray[Any]) -> tuple[Floats, Floats]:
        """k(X, Y) and x·y / |x||y|, both (n, l), from the same products; the cosine with zero is zero."""
        products, lengths = self._products(X), squared_lengths(X)
        norms = np.sqrt(np.outer(lengths, self._lengths))
        cosines = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
        return self._of_products(products, lengths), cosines

    def _of_products(self, products: Floats, lengths: Floats) -> Floats:
        return _optical(products, lengths, self._lengths, self._degree)


def linear_kernel(X: NDArray[Any], Y: NDArray[Any] | None = None, *, device: str = "cpu") -> Floats:
    """Inner products k(x, y) = x·y.

    Parameters
    ----------
    X : (n, m), Y : (l, m), both uint8 or both of one floating type; Y None means X, at half the work.
    device : str
        Where to multiply.

    Returns
    -------
    (n, l) float64; exact for uint8.
    """
    if Y is not None:
        return Products(Y, len(X), device)(X)
    return gram(X, device)


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
    return _optical(products, lengths, lengths if Y is None else squared_lengths(Y), degree)


def optical_from_products(products: Floats, X: NDArray[Any]) -> Floats:
    """Turn the inner products X Xᵀ (n, n) of rows into their optical kernel, in the same memory."""
    lengths = squared_lengths(X)
    return _optical(products, lengths, lengths, 1)


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


# Cheapest first.
KERNELS: dict[str, Callable[..., Floats]] = {"linear": linear_kernel, "optical": optical_kernel}


def _optical(products: Floats, left: Floats, right: Floats, degree: int) -> Floats:
    """Turn inner products into the optical kernel, in their own memory."""
    for start in range(0, len(products), OPTICAL_ROWS):
        rows = slice(start, start + OPTICAL_ROWS)
        lengths, squares = np.outer(left[rows], right), products[rows] ** 2
        total, power = np.ones_like(squares), np.ones_like(squares)
        for i in reversed(range(degree)):  # by Horner's rule: numpy's powers take most of the time otherwise
            power *= lengths
            total *= squares
            total += comb(degree, i) ** 2 * power
        products[rows] = factorial(degree) ** 2 * total
    return products
