"""Choose the penalty by leave-one-out with as few fits as possible.

Below a thousand rows the best penalty is the one of least squared error of the left-out scores: of few
rows, accuracy counts a handful. From there on it is the one of least squared error among those whose accuracy
is within one standard error of the highest, both scored on the same rows (see `paired_gain`).
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.ridge.cholesky import IllConditionedError
from lightprobe.ridge.loo import Floats
from lightprobe.ridge.significance import paired_gain

# Penalties are tried on half decades: step s stands for alpha_relative = 10^(s/2).
FIRST_STEPS = (0, -2, -4)  # ties keep the earlier, so the larger
LOWEST_STEP, HIGHEST_STEP = -12, 8
LEAST_GAIN = 1e-3  # of the squared error: on the plateau at small penalties nothing is gained any more
ACCURACY_ROWS: Final = 1000  # from so many rows on accuracy has a say in the penalty


@dataclass(frozen=True)
class AlphaPoint:
    """One penalty tried, and what leave-one-out said of it."""

    alpha: float
    alpha_relative: float
    loo_accuracy: float
    loo_mse: float


@dataclass(frozen=True, eq=False)
class Trials:
    """What leave-one-out said of every row at every penalty tried, smallest first.

    Attributes
    ----------
    right : (a, n) bool
    squared : (a, n)
        Mean over the classes of the squared error.
    """

    right: NDArray[np.bool_]
    squared: Floats


@dataclass(frozen=True)
class Solution:
    """A fit at one penalty: coefficients (n or m, c), intercept (c,), left-out scores (n, c)."""

    coef: Floats
    intercept: Floats
    loo_scores: Floats


@dataclass(frozen=True)
class RidgeFit(Solution):
    """The chosen fit: a solution, whose scores of every row are by the fit that has not seen it or its group.

    Attributes
    ----------
    alpha, alpha_relative : float
        The penalty; relative to the mean squared distance of the rows from their mean, tr(Kc)/n.
    path : tuple of AlphaPoint
        Every penalty tried, smallest first.
    trials : Trials or None
        What each of these said of the rows; None where not all rows were asked at each.
    """

    alpha: float
    alpha_relative: float
    path: tuple[AlphaPoint, ...]
    trials: Trials | None = None


def choose_alpha(
    solve: Callable[[float], Solution],
    scale: float,
    Y: Floats,
    weights: Floats,
    alpha_relative: float | None,
    guess: float | None = None,
    *,
    settled: bool = False,
    units: NDArray[np.intp] | None = None,
) -> RidgeFit:
    """Solve at the penalty asked for, or at the one that leave-one-out prefers.

    The search tries 1, 0.1 and 0.01 times `scale`, moves on by decades while the best stands at an end,
    then tries the half decades beside it. With a guess it starts there and moves by half decades; with a
    settled one it takes it, or the first larger one that can be solved. What is best among those tried says
    this module's first paragraph; where squared errors are level it is the penalty tried first. Penalties
    too small to solve are passed over.

    Parameters
    ----------
    solve
        Gives the solution at an absolute penalty; raises IllConditionedError where it cannot.
    scale
        tr(Kc)/n, which makes a penalty relative.
    Y : (n, c) targets, −1 or +1, one column a class.
    weights : (n,) weights of the rows in accuracy and error.
    alpha_relative
        A penalty to use as it is; None searches.
    guess
        A relative penalty near which to search.
    settled
        Whether the guess needs no search around it.
    units : (n,), optional
        Numbers from zero of what was left out together; each row alone without it.
    """
    tried: dict[float, _Tried | None] = {}  # None where it could not be solved
    best: _Tried | None = None
    held: tuple[float, Solution] | None = None  # the best one's, unless an earlier one became it again
    by_accuracy = bool(np.count_nonzero(weights) >= ACCURACY_ROWS)

    def attempt(relative: float) -> None:
        nonlocal best, held
        no_digits = f"A relative alpha of {relative:.3g} leaves no digits to leave-one-out; use a larger one."
        try:
            solution = solve(relative * scale)
        except np.linalg.LinAlgError as error:  # the rest of the rows do not settle a group's scores
            raise IllConditionedError(no_digits) from error
        if not np.isfinite(solution.loo_scores).all():
            raise IllConditionedError(no_digits)
        right, squared = _judge(solution.loo_scores, Y)
        accuracy, mse = (float(np.average(each, weights=weights)) for each in (right, squared))
        tried[relative] = _Tried(AlphaPoint(relative * scale, relative, accuracy, mse), right, squared)
        best = _best([one for one in tried.values() if one is not None], weights, units, by_accuracy)
        if best is tried[relative]:
            held = relative, solution

    def walk(steps: Sequence[int], stride: int) -> None:
        """Try the steps, then the neighbours of the best one until it has none left to try."""
        pending = list(steps)
        while True:
            for step in pending:
                if LOWEST_STEP <= step <= HIGHEST_STEP and _relative(step) not in tried:
                    tried[_relative(step)] = None
                    with suppress(IllConditionedError):
                        attempt(_relative(step))
            centre = HIGHEST_STEP if best is None else _step(best.point.alpha_relative)
            pending = [centre - stride, centre + stride]
            if all(_relative(step) in tried or not LOWEST_STEP <= step <= HIGHEST_STEP for step in pending):
                return

    if alpha_relative is not None:
        attempt(alpha_relative)
    elif guess is not None and settled:
        step = _step(guess)
        while best is None and step <= HIGHEST_STEP:
            with suppress(IllConditionedError):
                attempt(_relative(step))
            step += 1
    elif guess is not None:
        walk([_step(guess)], stride=1)
    else:
        walk(FIRST_STEPS, stride=2)
        walk([], stride=1)
    if best is None or held is None:
        raise IllConditionedError(
            "No penalty between 1e-6 and 1e4 times the kernel's scale could be solved; "
            "the features are not finite or badly scaled."
        )
    point = best.point
    solution = held[1] if held[0] == point.alpha_relative else solve(point.alpha)
    path = sorted(
        (one for one in tried.values() if one is not None), key=lambda one: one.point.alpha_relative
    )
    return RidgeFit(
        **vars(solution),
        alpha=point.alpha,
        alpha_relative=point.alpha_relative,
        path=tuple(one.point for one in path),
        trials=Trials(np.array([one.right for one in path]), np.array([one.squared for one in path])),
    )


def _relative(step: int) -> float:
    return float(10.0 ** (step / 2))


def _step(relative: float) -> int:
    return round(2 * math.log10(relative))


@dataclass(frozen=True, eq=False)
class _Tried:
    """A penalty tried, which rows it gets right, (n,) bool, and their squared errors, (n,)."""

    point: AlphaPoint
    right: NDArray[np.bool_]
    squared: Floats


def _best(
    tried: Sequence[_Tried], weights: Floats, units: NDArray[np.intp] | None, by_accuracy: bool
) -> _Tried:
    """Tell which of these is best; they stand in the order in which they were tried."""
    rivals = tried
    if by_accuracy:
        first = max(tried, key=lambda one: one.point.loo_accuracy)
        ahead = [paired_gain(first.right, one.right, weights, units) for one in tried]
        rivals = [one for one, (gain, error) in zip(tried, ahead, strict=True) if gain <= error]
    best, *others = rivals
    for one in others:
        if one.point.loo_mse < (1 - LEAST_GAIN) * best.point.loo_mse:
            best = one
    return best


def _judge(loo_scores: Floats, Y: Floats) -> tuple[NDArray[np.bool_], Floats]:
    right = loo_scores.argmax(axis=1) == Y.argmax(axis=1)
    return right, ((loo_scores - Y) ** 2).mean(axis=1)
