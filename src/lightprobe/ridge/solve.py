"""Ridge regression with an unpenalised intercept, in the dual and in the primal, with leave-one-out.

    min over W, b of Σ_i w_i ‖φ(x_i)W + b − y_i‖² + α‖W‖²

Dual (n × n): W = φ(X)ᵀc with (K + α diag(1/w)) c + 1b = Y and 1ᵀc = 0. Any K + 1vᵀ + v1ᵀ gives the same c,
so K is centred first, and a multiple of 11ᵀ is left in it: then the direction of the constant has an
eigenvalue of the size of the others, and taking it out of the inverse cancels no digits at small α.

Primal (m × m): W = (φᵀdiag(w)φ − … + αI)⁻¹ φᵀdiag(w)Y, both centred by the weighted mean.

All arithmetic is float64. Each penalty costs one Cholesky factor and the inverse of that factor.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from lightprobe.errors import DataError
from lightprobe.ridge.loo import Floats, Indices, group_members, left_out_residuals, row_blocks
from lightprobe.ridge.search import (
    DegenerateKernelError,
    IllConditionedError,
    RidgeFit,
    Solution,
    choose_alpha,
)
from lightprobe.ridge.statistics import BLOCK_ROWS, RidgeStatistics, Rows

# Below this share of the uncentred trace, the centred one is rounding.
DEGENERATE = 1e-12
WEIGHTLESS = 1e-12


def solve_dual(
    K: Floats,
    Y: Floats,
    *,
    alpha_relative: float | None = None,
    weights: Floats | None = None,
    groups: NDArray[np.generic] | None = None,
    overwrite_K: bool = False,
) -> RidgeFit:
    """Kernel ridge: coefficients c (n, c), scores K(x, X) c + b.

    Parameters
    ----------
    K : (n, n) symmetric kernel matrix
    Y : (n, c) targets, −1 or +1, one column a class
    alpha_relative
        The penalty relative to tr(Kc)/n; None chooses it by leave-one-out accuracy.
    weights : (n,), ≥ 0
        Rows of weight zero are predicted but not fitted.
    groups : (n,)
        Rows of equal value are left out together.
    overwrite_K
        Allow K to be used as working memory.

    Raises
    ------
    DegenerateKernelError
        The centred kernel is zero to rounding.
    IllConditionedError
        The given penalty is too small for double precision.
    """
    K = K if overwrite_K else K.copy()
    n = len(K)
    counted = _checked_weights(weights, n)
    # A weight of zero is an infinite diagonal; this is large enough, and predicts the row like any other.
    weights = np.maximum(counted, WEIGHTLESS * counted[counted > 0].min())
    members = group_members(groups, n)
    total = float(np.average(np.diagonal(K), weights=weights))
    means = weights @ K / weights.sum()
    grand_mean = float(np.average(means, weights=weights))
    K -= means
    K -= means[:, None]
    K += grand_mean
    scale = float(np.average(np.diagonal(K), weights=weights))
    _refuse_degenerate(scale, total)
    K += scale / n  # gives the constant an eigenvalue of its own; c sums to zero, so nothing else changes

    diagonal = np.diagonal(K).copy()
    Y1 = np.column_stack([Y, np.ones(n)])
    working = np.empty_like(K)

    def solve(alpha: float) -> Solution:
        np.copyto(working, K)
        np.fill_diagonal(working, diagonal + alpha / weights)
        factor = _cholesky(working, alpha / scale)
        solved = np.ascontiguousarray(lapack.dpotrs(factor, Y1, lower=1)[0])
        ones = solved[:, -1]
        intercept = ones @ Y / ones.sum()
        coef = solved[:, :-1] - np.outer(ones, intercept)
        inverse = lapack.dtrtri(factor, lower=1, overwrite_c=1)[0]  # factor is lower, zero above
        leverage = np.einsum("ij,ij->j", inverse, inverse) - ones**2 / ones.sum()

        def block(rows: Indices) -> Floats:
            columns = inverse[:, rows]
            part: Floats = columns.T @ columns - np.outer(ones[rows], ones[rows]) / ones.sum()
            return part

        left_out = left_out_residuals(coef, leverage, members, block)
        return Solution(coef, intercept - means @ coef, Y - left_out)

    return choose_alpha(solve, scale, Y, counted, alpha_relative)


def solve_primal(
    X: Rows,
    Y: Floats,
    *,
    alpha_relative: float | None = None,
    weights: Floats | None = None,
    groups: NDArray[np.generic] | None = None,
    statistics: RidgeStatistics | None = None,
) -> RidgeFit:
    """Ridge on the features themselves: coefficients W (m, c), scores x W + b.

    X is read in blocks of rows: once for the statistics (unless they are given) and once a penalty for
    the left-out scores. Parameters, and errors, as in `solve_dual`.

    Parameters
    ----------
    statistics
        Sums over the same rows, targets and weights, where they are known already.
    """
    n = X.shape[0]
    weights = _checked_weights(weights, n)
    members = group_members(groups, n)
    if statistics is None:
        statistics = RidgeStatistics.of(X, Y, weights)
    weight = statistics.weight
    mean = statistics.feature_sum / weight
    target_mean = statistics.target_sum / weight
    gram = statistics.gram - np.outer(statistics.feature_sum, mean)
    moment = statistics.moment - np.outer(mean, statistics.target_sum)
    scale = float(np.trace(gram)) / weight
    _refuse_degenerate(scale, float(np.trace(statistics.gram)) / weight)
    diagonal = np.diagonal(gram).copy()
    working = np.empty_like(gram)

    def solve(alpha: float) -> Solution:
        np.copyto(working, gram)
        np.fill_diagonal(working, diagonal + alpha)
        factor = _cholesky(working, alpha / scale)
        coef = np.ascontiguousarray(lapack.dpotrs(factor, moment, lower=1)[0])
        intercept = target_mean - mean @ coef
        loo_scores = np.empty_like(Y)
        for rows in row_blocks(n, members, BLOCK_ROWS):
            centred = X[rows] - mean
            residuals = Y[rows] - centred @ coef - target_mean
            Z = blas.dtrsm(1.0, factor, centred.T, lower=1, overwrite_b=1)  # L⁻¹(x − mean), (m, block)
            w = weights[rows]
            leverage = 1 - w * (np.einsum("ij,ij->j", Z, Z) + 1 / weight)
            position = {int(row): i for i, row in enumerate(rows)} if members else {}
            inside = [np.array([position[int(r)] for r in g]) for g in members if int(g[0]) in position]

            def block(g: Indices, Z: Floats = Z, w: Floats = w) -> Floats:
                part: Floats = np.eye(len(g)) - (Z[:, g].T @ Z[:, g] + 1 / weight) * w[g]
                return part

            loo_scores[rows] = Y[rows] - left_out_residuals(residuals, leverage, inside, block)
        return Solution(coef, intercept, loo_scores)

    return choose_alpha(solve, scale, Y, weights, alpha_relative)


SOLVERS: dict[str, Callable[..., RidgeFit]] = {"dual": solve_dual, "primal": solve_primal}


def _checked_weights(weights: Floats | None, n: int) -> Floats:
    if weights is None:
        return np.ones(n)
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(f"Sample weights must be {n} finite numbers, none negative, one a row.")
    if np.count_nonzero(weights) < 2:
        raise DataError("Fewer than two rows have a weight above zero; at least two are needed.")
    return weights


def _refuse_degenerate(scale: float, total: float) -> None:
    if not scale > DEGENERATE * total:
        raise DegenerateKernelError(
            f"The features are the same for every row (their spread is {scale:.3g} of {total:.3g}), "
            "so there is nothing to fit; choose another encoding or layer."
        )


def _cholesky(working: Floats, alpha_relative: float) -> Floats:
    """Factor in place; the transpose of a C-ordered symmetric matrix is the Fortran order LAPACK wants."""
    factor, info = lapack.dpotrf(working.T, lower=1, overwrite_a=1)
    if info != 0 or not np.isfinite(factor[-1, -1]):
        raise IllConditionedError(
            f"A relative alpha of {alpha_relative:.3g} is too small for double precision; use a larger one."
        )
    lower: Floats = factor
    return lower
