"""The sums that ridge regression needs: they add, subtract and merge, and then the rows can be forgotten.

For rows x_i (m,), targets y_i (c,) and weights w_i:

    weight = Σ w,  feature_sum = Σ w x,  target_sum = Σ w y,  gram = Σ w x xᵀ,  moment = Σ w x yᵀ

Kept in float64: for integer features, targets and weights every sum below 2⁵³ is exact, so that adding rows
and subtracting them again, or merging parts in any order, gives the same numbers to the last bit. For
floating-point features it does so to rounding.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from lightprobe.ridge.factor import mirror_upper
from lightprobe.ridge.loo import Floats, Indices

BLOCK_ROWS = 1024


class Rows(Protocol):
    """A matrix whose rows can be had by index: an array, a memory map, or features made on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, m)."""

    def __getitem__(self, index: Indices, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class RidgeStatistics:
    """Sums over rows.

    Attributes
    ----------
    n_rows : int
    weight : float
    feature_sum : (m,)
    target_sum : (c,)
    gram : (m, m)
    moment : (m, c)
    """

    n_rows: int
    weight: float
    feature_sum: Floats
    target_sum: Floats
    gram: Floats
    moment: Floats

    @classmethod
    def empty(cls, n_features: int, n_targets: int) -> "RidgeStatistics":
        """Start from no rows."""
        return cls(
            n_rows=0,
            weight=0.0,
            feature_sum=np.zeros(n_features),
            target_sum=np.zeros(n_targets),
            gram=np.zeros((n_features, n_features)),
            moment=np.zeros((n_features, n_targets)),
        )

    @classmethod
    def of(cls, X: Rows, Y: Floats, weights: Floats | None = None) -> "RidgeStatistics":
        """Sum over the rows of X.

        Parameters
        ----------
        X : (n, m), read in blocks of rows
        Y : (n, c) targets
        weights : (n,), all ones by default
        """
        n, m = X.shape
        feature_sum, moment = np.zeros(m), np.zeros((m, Y.shape[1]))
        gram = np.zeros((m, m), order="F")
        for start in range(0, n, BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, n))
            block = np.asarray(X[rows], dtype=np.float64)
            if weights is None:  # only the lower triangle
                weighted = block
                gram = blas.dsyrk(1.0, block.T, 1.0, gram, lower=1, overwrite_c=1)
            else:
                weighted = block * weights[rows, None]
                gram = blas.dgemm(1.0, block.T, weighted.T, 1.0, gram, trans_b=1, overwrite_c=1)
            feature_sum += weighted.sum(axis=0)
            moment += weighted.T @ Y[rows]
        mirror_upper(gram.T)
        w = np.ones(n) if weights is None else weights
        return cls(n, float(w.sum()), feature_sum, w @ Y, gram.T, moment)

    def __add__(self, other: "RidgeStatistics") -> "RidgeStatistics":
        return RidgeStatistics(
            self.n_rows + other.n_rows,
            self.weight + other.weight,
            self.feature_sum + other.feature_sum,
            self.target_sum + other.target_sum,
            self.gram + other.gram,
            self.moment + other.moment,
        )

    def __sub__(self, other: "RidgeStatistics") -> "RidgeStatistics":
        return RidgeStatistics(
            self.n_rows - other.n_rows,
            self.weight - other.weight,
            self.feature_sum - other.feature_sum,
            self.target_sum - other.target_sum,
            self.gram - other.gram,
            self.moment - other.moment,
        )
