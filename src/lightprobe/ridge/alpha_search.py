"""Choose the penalty by leave-one-out with as few fits as possible."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from lightprobe.ridge.cholesky import IllConditionedError
from lightprobe.ridge.loo import Floats

# Penalties are tried on half decades: step s stands for alpha_relative = 10^(s/2).
FIRST_STEPS = (0, -2, -4)  # ties keep the earlier, so the larger
LOWEST_STEP, HIGHEST_STEP = -12, 8
LEAST_GAIN = 1e-3  # of the squared error, at equal accuracy


@dataclass(frozen=True)
class AlphaPoint:
    """One penalty tried, and what leave-one-out said of it."""

    alpha: float
    alpha_relative: float
    loo_accuracy: float
    loo_mse: float


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
    """

    alpha: float
    alpha_relative: float
    path: tuple[AlphaPoint, ...]


def choose_alpha(
    solve: Callable[[float], Solution],
    scale: float,
    Y: Floats,
    weights: Floats,
    alpha_relative: float | None,
    guess: float | None = None,
    *,
    settled: bool = False,
) -> RidgeFit:
    """Solve at the penalty asked for, or at the one that leave-one-out prefers.

    The search tries 1, 0.1 and 0.01 times `scale`, moves on by decades while the best stands at an end,
    then tries the half decades beside it. With a guess it starts there and moves by half decades; with a
    settled one it takes it, or the first larger one that can be solved. Best is the highest accuracy of the
    left-out scores, ties broken by their squared error, and where that is level too, the penalty tried
    first. Penalties too small to solve are passed over.

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
    """
    tried: dict[float, AlphaPoint | None] = {}  # None where it could not be solved
    best: tuple[AlphaPoint, Solution] | None = None

    def attempt(relative: float) -> None:
        nonlocal best
        no_digits = f"A relative alpha of {relative:.3g} leaves no digits to leave-one-out; use a larger one."
        try:
            solution = solve(relative * scale)
        except np.linalg.LinAlgError as error:  # the rest of the rows do not settle a group's scores
            raise IllConditionedError(no_digits) from error
        if not np.isfinite(solution.loo_scores).all():
            raise IllConditionedError(no_digits)
        accuracy, mse = _judge(solution.loo_scores, Y, weights)
        point = tried[relative] = AlphaPoint(relative * scale, relative, accuracy, mse)
        if best is None or _is_better(point, best[0]):
            best = point, solution

    def walk(steps: Sequence[int], stride: int) -> None:
        """Try the steps, then the neighbours of the best one until it has none left to try."""
        pending = list(steps)
        while True:
            for step in pending:
                if LOWEST_STEP <= step <= HIGHEST_STEP and _relative(step) not in tried:
                    tried[_relative(step)] = None
                    with suppress(IllConditionedError):
                        attempt(_relative(step))
            centre = HIGHEST_STEP if best is None else _step(best[0].alpha_relative)
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
    if best is None:
        raise IllConditionedError(
            "No penalty between 1e-6 and 1e4 times the kernel's scale could be solved; "
            "the features are not finite or badly scaled."
        )
    point, solution = best
    path = tuple(sorted((p for p in tried.values() if p is not None), key=lambda p: p.alpha_relative))
    return RidgeFit(**vars(solution), alpha=point.alpha, alpha_relative=point.alpha_relative, path=path)


def _relative(step: int) -> float:
    return float(10.0 ** (step / 2))


def _step(relative: float) -> int:
    return round(2 * math.log10(relative))


def _is_better(point: AlphaPoint, best: AlphaPoint) -> bool:
    """Tell whether a later point wins; on the plateau at small penalties nothing is gained any more."""
    if point.loo_accuracy != best.loo_accuracy:
        return point.loo_accuracy > best.loo_accuracy
    return point.loo_mse < (1 - LEAST_GAIN) * best.loo_mse


def _judge(loo_scores: Floats, Y: Floats, weights: Floats) -> tuple[float, float]:
    right = loo_scores.argmax(axis=1) == Y.argmax(axis=1)
    squared = ((loo_scores - Y) ** 2).mean(axis=1)
    return float(np.average(right, weights=weights)), float(np.average(squared, weights=weights))
