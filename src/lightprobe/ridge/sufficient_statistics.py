"""The sums that ridge regression needs: they add, subtract and merge, and then the rows can be forgotten.

For rows x_i (m,), targets y_i (c,) and weights w_i:

    weight = Σ w,  feature_sum = Σ w x,  target_sum = Σ w y,  gram = Σ w x xᵀ,  moment = Σ w x yᵀ

Kept in float64: for integer features, targets and weights every sum below 2⁵³ is exact, so that adding rows
and subtracting them again, or merging parts in any order, gives the same numbers to the last bit. For
floating-point features it does so to rounding.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.devices import CPU, array_namespace, namespace_of, to_device, to_numpy
from lightprobe.ridge.loo import BLOCK_ROWS, Floats, Rows

BLOCK_COLUMNS = 2048
BYTE_ROWS = 256


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
        gram, moment = np.zeros((n_features, n_features)), np.zeros((n_features, n_targets))
        return cls(0, 0.0, np.zeros(n_features), np.zeros(n_targets), gram, moment)

    @classmethod
    def of(cls, X: Rows, Y: Floats, weights: Floats | None = None, *, device: str = CPU) -> "RidgeStatistics":
        """Sum over the rows of X.

        Parameters
        ----------
        X : (n, m), read in blocks of rows
        Y : (n, c) targets
        weights : (n,), all ones by default
        device : str
            Where to multiply.
        """
        n, m = X.shape
        w = np.ones(n) if weights is None else weights
        xp = array_namespace(device)
        feature_sum, moment = np.zeros(m), np.zeros((m, Y.shape[1]))
        gram = xp.zeros((m, m), dtype=xp.float64, device=device)
        for start in range(0, n, BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, n))
            block = to_device(np.asarray(X[rows]), device)
            weighted = xp.astype(block, xp.float64, copy=False)
            if weights is not None:
                weighted = weighted * to_device(w[rows], device)[:, None]
            _add_products(gram, block, None if weights is None else weighted)
            feature_sum += to_numpy(xp.sum(weighted, axis=0))
            moment += to_numpy(weighted.T @ to_device(Y[rows], device))
        for column in range(0, m, BLOCK_COLUMNS):
            right = slice(column + BLOCK_COLUMNS, None)
            gram[right, column : column + BLOCK_COLUMNS] = gram[column : column + BLOCK_COLUMNS, right].T
        return cls(n, float(w.sum()), feature_sum, w @ Y, to_numpy(gram), moment)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Take it apart; of the symmetric matrix the rows from the diagonal on, one after the other."""
        return {
            "feature_sum": self.feature_sum,
            "target_sum": self.target_sum,
            "moment": self.moment,
            "gram": np.concatenate([row[place:] for place, row in enumerate(self.gram)]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_rows: int, m: int, c: int) -> Self:
        """Build sums over n rows of weight one, of m features and c targets, again.

        Raises
        ------
        KeyError, ValueError
            Something is missing, or lengths differ.
        """
        shapes = {"feature_sum": (m,), "target_sum": (c,), "moment": (m, c), "gram": (m * (m + 1) // 2,)}
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"sums.{name} has shape {arrays[name].shape}, not {shape}")
        gram, start = np.empty((m, m)), 0
        for place in range(m):
            gram[place, place:] = gram[place:, place] = arrays["gram"][start : start + m - place]
            start += m - place
        parts = {name: arrays[name] for name in ("feature_sum", "target_sum", "moment")}
        return cls(n_rows=n_rows, weight=float(n_rows), gram=gram, **parts)

    def __add__(self, other: "RidgeStatistics") -> "RidgeStatistics":
        return self._by_field(operator.add, other)

    def __sub__(self, other: "RidgeStatistics") -> "RidgeStatistics":
        return self._by_field(operator.sub, other)

    def _by_field(self, operation: Callable[[Any, Any], Any], other: "RidgeStatistics") -> "RidgeStatistics":
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return RidgeStatistics(*(operation(own, theirs) for own, theirs in pairs))


def _add_products(gram: Any, block: Any, weighted: Any | None) -> None:
    """Add Σ w x xᵀ over a block of rows x (n, m), and w x (n, m), to the upper triangle of gram (m, m).

    Single precision multiplies single and half precision, as exact as they are, and bytes, exactly: sums of
    256 products of bytes stay below 2²⁴. The sums of blocks are added in double precision.
    """
    xp = namespace_of(gram)
    single = weighted is None and block.dtype != xp.float64
    working = xp.astype(block, xp.float32 if single else xp.float64, copy=False)
    step = BYTE_ROWS if block.dtype == xp.uint8 and single else len(block)
    for start in range(0, len(block), step):
        left = working[start : start + step].T
        right = (working if weighted is None else weighted)[start : start + step]
        for column in range(0, len(gram), BLOCK_COLUMNS):
            gram[column : column + BLOCK_COLUMNS, column:] += (
                left[column : column + BLOCK_COLUMNS] @ right[:, column:]
            )
