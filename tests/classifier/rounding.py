"""How far two ways of computing the same scores may lie apart, where kernels are of float32 products."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def kernel_of(rows: NDArray[Any], kernel: str) -> Floats:
    """Compute x·y, or |x|²|y|² + (x·y)², of all pairs of encoded rows (n, m), in double precision."""
    products = rows.astype(np.float64) @ rows.astype(np.float64).T
    if kernel == "linear":
        return products
    lengths = np.diagonal(products)
    return np.asarray(np.outer(lengths, lengths) + products**2)


def score_tolerance(K: Floats, alpha: float) -> float:
    """Bound the rounding of the scores that the kernel K (n, n) gives at the penalty alpha.

    Products of other shapes add in another order, so that an entry of K moves by float32's machine epsilon ε
    of the largest, and K as a whole by ‖δK‖ ≤ n ε max|K|. Solutions of (Kc + αI) c = Y move, beside their
    own size, by as much as the matrix does beside its own, times its condition number κ (Golub and Van Loan,
    Matrix Computations, 2.6.2): κ ‖δK‖ / ‖Kc + αI‖ = ‖δK‖ / α, as the smallest eigenvalue is α, that of the
    constant. Scores are of the size of the targets, ±1: |δs| ≤ n ε max|K| / α.
    """
    return float(len(K) * np.finfo(np.float32).eps * np.abs(K).max() / alpha)
