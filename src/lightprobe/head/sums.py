"""A head of finite dimension that lives on sums over its training rows, which were forgotten.

    S_c = Σ_{i in c} φ(x_i),  n_c,  G = Σ_i φ(x_i)φ(x_i)ᵀ

are all that ridge regression on targets in {−1, +1} needs: Σ φ yᵀ = 2S − Σ_c S_c. Rows can be added to them
and taken out again, as long as they can be had once more. What needs rows one by one cannot be had from sums:
leave-one-out, and with it the choice of alpha, the calibration and the novelty of the training rows.
"""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.head.optical_ridge import OpticalRidge
from lightprobe.ridge.solve import solve_sums
from lightprobe.ridge.statistics import RidgeStatistics


def class_sums(
    head: OpticalRidge, X: NDArray[Any], labels: NDArray[np.integer], n_classes: int
) -> RidgeStatistics:
    """Sum over rows X (n, m) of classes `labels` (n,): targets are 1 for a row's own class and else 0.

    In double precision, so that taking rows out leaves of them what rounding leaves, and of bits nothing.
    """
    own = (labels[:, None] == np.arange(n_classes)).astype(np.float64)
    return RidgeStatistics.of(_Features(head, X), own, device=head.torch_device)


def over_classes(sums: RidgeStatistics, columns: NDArray[np.integer]) -> RidgeStatistics:
    """Give sums other classes: each that column of the old ones, or nothing where it is −1."""
    there = columns >= 0
    return replace(
        sums,
        target_sum=np.where(there, sums.target_sum[columns], 0.0),
        moment=np.where(there, sums.moment[:, columns], 0.0),
    )


def solved_again(head: OpticalRidge, sums: RidgeStatistics) -> OpticalRidge:
    """Solve for the coefficients of a fitted head from class sums, at its relative alpha.

    Its calibration and leave-one-out accuracy stay what they were; it has no leave-one-out scores.

    Raises
    ------
    LightprobeError
        As `solve_primal`.
    """
    n_classes = len(sums.target_sum)
    signed = replace(
        sums,
        target_sum=2 * sums.target_sum - sums.weight,
        moment=2 * sums.moment - sums.feature_sum[:, None],
    )
    fit = solve_sums(signed, head.alpha_relative_, device=head.torch_device)
    solved = copy.copy(head)
    solved.classes_ = np.arange(n_classes)
    columns = slice(1, 2) if n_classes == 2 else slice(None)
    solved.coef_, solved.intercept_ = np.ascontiguousarray(fit.coef.T[columns]), fit.intercept[columns]
    solved.alpha_ = fit.alpha
    solved.class_weight_ = np.ones(n_classes)
    solved.loo_scores_ = np.empty((0, n_classes))
    return solved


class _Features:
    """φ(X) in double precision, made a block of rows at a time."""

    def __init__(self, head: OpticalRidge, X: NDArray[Any]) -> None:
        self._head, self._X = head, X
        self.shape = (len(X), head.n_components_ or X.shape[1])

    def __getitem__(self, index: NDArray[np.intp]) -> NDArray[np.float64]:
        rows = self._X[index]
        if self._head.n_components_ is not None:
            rows = np.asarray(self._head.features_.transform(rows))
        return rows.astype(np.float64)
