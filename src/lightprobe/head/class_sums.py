"""A head of finite dimension that lives on sums over its training rows, which were forgotten.

    S_c = Σ_{i in c} φ(x_i),  n_c,  G = Σ_i φ(x_i)φ(x_i)ᵀ

are all that ridge regression on targets in {−1, +1} needs: Σ φ yᵀ = 2S − Σ_c S_c. Rows can be added to them
and taken out again, as long as they can be had once more. What needs rows one by one cannot be had from sums:
leave-one-out, and with it the choice of alpha, the calibration and the novelty of the training rows.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.head.decision import Linear, RandomFeatures
from lightprobe.head.fitted_head import FittedHead
from lightprobe.ridge import RidgeStatistics, solve_sums

Finite = Linear | RandomFeatures


def sum_classes(
    decision: Finite, X: NDArray[Any], labels: NDArray[np.integer], n_classes: int, device: str
) -> RidgeStatistics:
    """Sum over rows X (n, m) of classes `labels` (n,): targets are 1 for a row's own class and else 0.

    In double precision, so that taking rows out leaves of them what rounding leaves, and of bits nothing.
    """
    own = (labels[:, None] == np.arange(n_classes)).astype(np.float64)
    return RidgeStatistics.of(_Features(decision, X), own, device=device)


def over_classes(sums: RidgeStatistics, columns: NDArray[np.integer]) -> RidgeStatistics:
    """Give sums other classes: each that column of the old ones, or nothing where it is −1."""
    there = columns >= 0
    return replace(
        sums,
        target_sum=np.where(there, sums.target_sum[columns], 0.0),
        moment=np.where(there, sums.moment[:, columns], 0.0),
    )


def solved_again(head: FittedHead, sums: RidgeStatistics, device: str) -> FittedHead:
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
    fit = solve_sums(signed, head.alpha_relative, device=device)
    columns = slice(1, 2) if n_classes == 2 else slice(None)
    decision = replace(
        finite(head), coef=np.ascontiguousarray(fit.coef.T[columns]), intercept=fit.intercept[columns]
    )
    return replace(
        head,
        decision=decision,
        n_classes=n_classes,
        alpha=fit.alpha,
        class_weight=np.ones(n_classes),
        loo_scores=np.empty((0, n_classes)),
    )


def finite(head: FittedHead) -> Finite:
    """Return the decision function of a head of finite dimension, as heads with sums are."""
    assert isinstance(head.decision, Linear | RandomFeatures)
    return head.decision


class _Features:
    """φ(X) in double precision, made a block of rows at a time."""

    def __init__(self, decision: Finite, X: NDArray[Any]) -> None:
        self._decision, self._X = decision, X
        self.shape = (len(X), decision.coef.shape[1])

    def __getitem__(self, index: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._decision.features(self._X[index]).astype(np.float64)
