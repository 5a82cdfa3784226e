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

from lightprobe.errors import ResourceError
from lightprobe.head.decision import Linear, RandomFeatures
from lightprobe.head.fitted_head import FittedHead
from lightprobe.head.options import HeadOptions
from lightprobe.optics import Projection, drawn_seed
from lightprobe.ridge import RidgeFit, RidgeStatistics, Rows, primal_bytes, solve_sums

Finite = Linear | RandomFeatures


def sum_classes(
    decision: Finite, X: Rows, labels: NDArray[np.integer], n_classes: int, device: str
) -> RidgeStatistics:
    """Sum over rows X (n, m) of classes `labels` (n,): targets are 1 for a row's own class and else 0.

    In double precision, so that taking rows out leaves of them what rounding leaves, and of bits nothing.
    """
    own = (labels[:, None] == np.arange(n_classes)).astype(np.float64)
    return RidgeStatistics.of(FeatureRows(decision, X), own, device=device)


def unfitted(options: HeadOptions, n_features: int, dtype: np.dtype[Any], n_classes: int) -> Finite:
    """Return a decision function of finite dimension with coefficients of zero: its features are settled.

    Raises
    ------
    ResourceError
        Sums over them would take more memory than there is, or was allowed.
    """
    linear = options.kernel == "linear"
    assert linear or isinstance(options.components, int)
    width = n_features if linear else int(options.components)
    require_room(width, options)
    n_scores = 1 if n_classes == 2 else n_classes
    coef, intercept = np.zeros((n_scores, width)), np.zeros(n_scores)
    if linear:
        return Linear(coef, intercept, dtype)
    random_state = drawn_seed(options.random_state)
    projection = Projection(width, drawn_seed(random_state), options.projection, device=options.device)
    return RandomFeatures(coef, intercept, dtype, projection, random_state, n_features)


def require_room(width: int, options: HeadOptions) -> None:
    """Raise ResourceError where sums of so many features take more memory than is allowed."""
    budget = options.memory_budget()
    if (needed := primal_bytes(width)) > budget:
        raise ResourceError(
            f"The sums of {width} features take {needed / 1e9:.2g} GB and {budget / 1e9:.2g} GB are "
            "allowed: average over positions (`pool='avg'`), or take fewer random features "
            "(`components`)."
        )


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
    fit = solve_sums(signed(sums), head.alpha_relative, device=device)
    return replace(
        head,
        decision=with_coefficients(finite(head), fit),
        n_classes=n_classes,
        alpha=fit.alpha,
        class_weight=np.ones(n_classes),
        loo_scores=np.empty((0, n_classes)),
    )


def finite(head: FittedHead) -> Finite:
    """Return the decision function of a head of finite dimension, as heads with sums are."""
    assert isinstance(head.decision, Linear | RandomFeatures)
    return head.decision


def signed(sums: RidgeStatistics) -> RidgeStatistics:
    """Give sums over classes targets in {−1, +1} instead of {0, 1}."""
    return replace(
        sums,
        target_sum=2 * sums.target_sum - sums.weight,
        moment=2 * sums.moment - sums.feature_sum[:, None],
    )


def with_coefficients(decision: Finite, fit: RidgeFit) -> Finite:
    """Put the coefficients of a fit into a decision function of the same features."""
    columns = slice(1, 2) if fit.coef.shape[1] == 2 else slice(None)
    return replace(decision, coef=np.ascontiguousarray(fit.coef.T[columns]), intercept=fit.intercept[columns])


class FeatureRows:
    """φ(X) in double precision, made a block of rows at a time."""

    def __init__(self, decision: Finite, X: Rows) -> None:
        self._decision, self._X = decision, X
        self.shape = (X.shape[0], decision.coef.shape[1])

    def __getitem__(self, index: NDArray[np.intp]) -> NDArray[np.float64]:
        return self._decision.features(self._X[index]).astype(np.float64)
