"""Ridge regression with an unpenalised intercept, in the dual and in the primal, with leave-one-out.

    min over W, b of Σ_i w_i ‖φ(x_i)W + b − y_i‖² + α‖W‖²

Dual (n × n): W = φ(X)ᵀc; see `dual.py`.
Primal (m × m): W = (A + αI)⁻¹ B with A = Σ w (φ−μ)(φ−μ)ᵀ, B = Σ w (φ−μ)yᵀ and μ the weighted mean.

All arithmetic is float64. Each penalty costs a Cholesky factor and, in the dual, its inverse.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError
from lightprobe.ridge.alpha_search import RidgeFit, Solution, Trials, choose_alpha
from lightprobe.ridge.cholesky import Cholesky, IllConditionedError
from lightprobe.ridge.dual import DegenerateKernelError, DualSystem, refuse_degenerate
from lightprobe.ridge.loo import (
    BLOCK_ROWS,
    Batch,
    Floats,
    Indices,
    Keys,
    Rows,
    group_members,
    group_units,
    left_out_residuals,
    unparted_batches,
)
from lightprobe.ridge.sufficient_statistics import RidgeStatistics

WARM_ROWS = 1500  # from here on the dual guesses the penalty from a quarter of the rows
SETTLED_ROWS = 4000  # from here on half of the rows settle it, at an eighth of the work
SEARCH_ROWS = 4096  # left-out rows that choose the penalty in the primal, where each costs m²


def solve_dual(
    K: Floats,
    Y: Floats,
    *,
    alpha_relative: float | None = None,
    weights: Floats | None = None,
    groups: NDArray[np.generic] | None = None,
    keys: Keys | None = None,
    device: str = "cpu",
    overwrite_K: bool = False,
) -> RidgeFit:
    """Kernel ridge: coefficients c (n, c), scores K(x, X) c + b.

    Beyond some 4,000 rows, half of them choose the penalty, at which all are then fitted and scored: the best
    relative penalty moves little with n.

    Parameters
    ----------
    K : (n, n) symmetric kernel matrix
    Y : (n, c) targets, −1 or +1, one column a class
    alpha_relative
        The penalty relative to tr(Kc)/n; None chooses it by leave-one-out, see `choose_alpha`.
    weights : (n,), ≥ 0
        Rows of weight zero are predicted but not fitted.
    groups : (n,)
        Rows of equal value are left out together.
    keys : (n,)
        Numbers that follow the rows wherever they stand, such as `row_keys`: of many rows, those that choose
        the penalty are dealt by them. Without keys they are dealt by position.
    device : str
        Where to factor, in double precision.
    overwrite_K
        Allow K to be used as working memory; solving then takes a quarter more than K itself.

    Raises
    ------
    DegenerateKernelError
        The centred kernel is zero to rounding.
    IllConditionedError
        The given penalty is too small for double precision.
    """
    K = np.ascontiguousarray(K) if overwrite_K else K.copy()
    counted = _checked_weights(weights, len(K), groups)
    fitted = np.count_nonzero(counted)
    parts = 1 if fitted < WARM_ROWS else 4 if fitted < SETTLED_ROWS else 2
    guess = None
    if alpha_relative is None and len(K) >= WARM_ROWS:
        guess = _alpha_of_part(K, Y, counted, groups, keys, parts, device)
    settled = parts < 4  # rows without weight choose nothing: all others, if few, settle it, too
    return _solve_dual(K, Y, counted, groups, alpha_relative, guess, settled=settled, device=device)


def _solve_dual(
    K: Floats,
    Y: Floats,
    counted: Floats,
    groups: NDArray[np.generic] | None,
    alpha_relative: float | None,
    guess: float | None,
    *,
    settled: bool,
    device: str,
) -> RidgeFit:
    """Solve in the memory of K."""
    system = DualSystem(K, counted, device)
    members = group_members(groups, len(K))

    def solve(alpha: float) -> Solution:
        system.factorise(alpha)
        coef, intercept = system.solve(Y)
        return Solution(coef, intercept, system.left_out_scores(coef, Y, members))

    units = group_units(groups, len(K))
    return choose_alpha(solve, system.scale, Y, counted, alpha_relative, guess, settled=settled, units=units)


def solve_primal(
    X: Rows,
    Y: Floats,
    *,
    alpha_relative: float | None = None,
    weights: Floats | None = None,
    groups: NDArray[np.generic] | None = None,
    keys: Keys | None = None,
    statistics: RidgeStatistics | None = None,
    device: str = "cpu",
) -> RidgeFit:
    """Ridge on the features themselves: coefficients W (m, c), scores x W + b.

    X is read in blocks of rows: for the statistics (unless they are given) and for the left-out scores.
    Beyond some 4,000 rows, a sample of that size chooses the penalty, at which the others are then scored.
    Parameters, and errors, as in `solve_dual`.

    Parameters
    ----------
    X : (n, m)
        An array, or anything with a shape that gives rows by index.
    statistics
        Sums over the same rows, targets and weights, where they are known already; left as they are.
    """
    n = X.shape[0]
    w = _checked_weights(weights, n, groups)
    if statistics is None:
        statistics = RidgeStatistics.of(X, Y, None if weights is None else w, device=device)
        gram = statistics.gram
    else:
        gram = statistics.gram.copy()
    weight = statistics.weight
    mean, target_mean, moment, scale = _centre(statistics, gram)
    diagonal = np.diagonal(gram).copy()
    factor = Cholesky(gram, device)
    batches = unparted_batches(n, groups, BLOCK_ROWS, keys)
    searched = batches[: -(-SEARCH_ROWS // BLOCK_ROWS)]

    def fit(alpha: float) -> tuple[Floats, Floats]:
        factor.factorise(diagonal + alpha, alpha / scale)
        coef = factor.solve(moment)
        return coef, target_mean - mean @ coef

    def left_out_scores(coef: Floats, batch: Batch) -> Floats:
        centred = np.asarray(X[batch.rows], dtype=np.float64) - mean
        residuals = Y[batch.rows] - centred @ coef - target_mean
        leverage, shared = factor.inner_products(centred.T)
        own = w[batch.rows]
        unexplained = 1 - own * (leverage + 1 / weight)

        def block(g: Indices) -> Floats:
            return np.eye(len(g)) - (shared(g) + 1 / weight) * own[g]

        return Y[batch.rows] - left_out_residuals(residuals, unexplained, batch.members, block)

    def solve(alpha: float) -> Solution:
        coef, intercept = fit(alpha)
        return Solution(coef, intercept, np.concatenate([left_out_scores(coef, b) for b in searched]))

    rows = np.concatenate([batch.rows for batch in searched])
    units = group_units(groups, n)[rows]
    chosen = choose_alpha(solve, scale, Y[rows], w[rows], alpha_relative, units=units)
    scores = np.empty_like(Y)
    scores[rows] = chosen.loo_scores
    if len(searched) < len(batches):
        coef, _ = fit(chosen.alpha)
        for batch in batches[len(searched) :]:
            scores[batch.rows] = left_out_scores(coef, batch)
    trials = None
    if chosen.trials is not None and len(rows) == n:
        back = np.argsort(rows)
        trials = Trials(chosen.trials.right[:, back], chosen.trials.squared[:, back])
    return replace(chosen, loo_scores=scores, trials=trials)


def solve_sums(statistics: RidgeStatistics, alpha_relative: float, *, device: str = "cpu") -> RidgeFit:
    """Ridge from sums alone, at a given penalty: as `solve_primal`, without left-out scores.

    Raises
    ------
    DegenerateKernelError, IllConditionedError
        As `solve_dual`.
    """
    gram = statistics.gram.copy()
    mean, target_mean, moment, scale = _centre(statistics, gram)
    factor = Cholesky(gram, device)
    alpha = alpha_relative * scale
    factor.factorise(np.diagonal(gram) + alpha, alpha_relative)
    coef = factor.solve(moment)
    left_out = np.empty((0, moment.shape[1]))
    return RidgeFit(coef, target_mean - mean @ coef, left_out, alpha, alpha_relative, path=())


SOLVERS: dict[str, Callable[..., RidgeFit]] = {"dual": solve_dual, "primal": solve_primal}


def _centre(statistics: RidgeStatistics, gram: Floats) -> tuple[Floats, Floats, Floats, float]:
    """Centre a Gram matrix (m, m) of these sums in place.

    Returns
    -------
    mean : (m,)
    target_mean : (c,)
    moment : (m, c)
        Σ w (φ−μ)yᵀ.
    scale : float
        tr(Kc)/n.
    """
    weight = statistics.weight
    mean = statistics.feature_sum / weight
    total = float(np.trace(gram)) / weight
    for start in range(0, len(gram), BLOCK_ROWS):
        gram[start : start + BLOCK_ROWS] -= np.outer(statistics.feature_sum[start : start + BLOCK_ROWS], mean)
    scale = float(np.trace(gram)) / weight
    refuse_degenerate(scale, total)
    moment = statistics.moment - np.outer(mean, statistics.target_sum)
    return mean, statistics.target_sum / weight, moment, scale


def _checked_weights(weights: Floats | None, n: int, groups: NDArray[np.generic] | None) -> Floats:
    if weights is None:
        return np.ones(n)
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(f"Sample weights must be {n} finite numbers, none negative, one a row.")
    if np.count_nonzero(weights) < 2:
        raise DataError("Fewer than two rows have a weight above zero; at least two are needed.")
    if groups is not None and len(groups) == n and len(np.unique(groups[weights > 0])) == 1:
        raise DataError(
            "All rows with a weight above zero are of one group, so leaving it out leaves nothing to fit; "
            "give rows of at least two groups a weight."
        )
    return weights


def _alpha_of_part(
    K: Floats,
    Y: Floats,
    weights: Floats,
    groups: NDArray[np.generic] | None,
    keys: Keys | None,
    parts: int,
    device: str,
) -> float | None:
    """Search for the relative penalty on one part of the rows, from where a quarter of those leads.

    Rows without weight choose nothing, and are left away.
    """
    try:
        weighty = np.flatnonzero(weights)
        of_groups, of_keys = (
            None if groups is None else groups[weighty],
            None if keys is None else keys[weighty],
        )
        rows = weighty[unparted_batches(len(weighty), of_groups, len(weighty) // parts, of_keys)[0].rows]
        if 4 * len(rows) > 3 * len(K):
            return None  # one group has most of the rows: nothing is to be saved
        part, targets, counted = K[np.ix_(rows, rows)], Y[rows], weights[rows]
        among, named = None if groups is None else groups[rows], None if keys is None else keys[rows]
        guess = None
        if len(rows) >= WARM_ROWS:
            guess = _alpha_of_part(part, targets, counted, among, named, 4, device)
        fit = _solve_dual(part, targets, counted, among, None, guess, settled=False, device=device)
    except (DataError, DegenerateKernelError, IllConditionedError):
        return None
    return fit.alpha_relative
