"""The search for alpha on made-up leave-one-out scores whose best penalty is known."""

import numpy as np
import pytest

from lightprobe.ridge.alpha_search import RidgeFit, Solution, choose_alpha
from lightprobe.ridge.cholesky import IllConditionedError

Y = np.where(np.arange(20)[:, None] % 2 == np.arange(2), 1.0, -1.0)


def search(
    best_relative: float,
    scale: float = 7.0,
    solvable_from: float = 0.0,
    guess: float | None = None,
    settled: bool = False,
) -> tuple[RidgeFit, int]:
    """Left-out scores whose error grows with the distance from the best penalty, in decades."""
    calls = 0

    def solve(alpha: float) -> Solution:
        nonlocal calls
        calls += 1
        if alpha / scale < solvable_from:
            raise IllConditionedError("too small")
        distance = abs(np.log10(alpha / scale / best_relative))
        return Solution(np.array([[alpha]]), np.zeros(2), Y * (1 + distance))

    return choose_alpha(solve, scale, Y, np.ones(len(Y)), None, guess, settled=settled), calls


@pytest.mark.parametrize("exponent", np.arange(-6, 4.5, 0.5))
def test_the_best_half_decade_is_found_in_few_fits(exponent: float) -> None:
    fit, calls = search(10**exponent)
    assert fit.alpha_relative == pytest.approx(10**exponent)
    assert fit.alpha == pytest.approx(7 * 10**exponent)
    assert fit.coef[0, 0] == fit.alpha
    assert calls == len(fit.path) <= 11


def test_the_common_case_takes_five_fits() -> None:
    assert search(0.1)[1] == 5


@pytest.mark.parametrize("guess", [1e-6, 0.01, 0.1, 0.32, 1.0, 1e4])
def test_a_guess_only_changes_the_number_of_fits(guess: float) -> None:
    fit, calls = search(0.1, guess=guess)
    assert fit.alpha_relative == pytest.approx(0.1)
    assert calls <= 3 + 2 * abs(np.log10(guess / 0.1))


def test_a_plateau_at_small_penalties_is_not_walked_down() -> None:
    calls = []

    def solve(alpha: float) -> Solution:
        calls.append(alpha)
        return Solution(np.zeros((1, 1)), np.zeros(2), Y * (1.5 + 0.5 * alpha))

    fit = choose_alpha(solve, 1.0, Y, np.ones(len(Y)), None)
    assert min(calls) >= 1e-5
    assert fit.alpha_relative >= 1e-4


def few_wrong_or_large_errors(
    n: int, wrong_below: int, wrong_above: int, units: np.ndarray | None = None
) -> float:
    """Choose between small penalties, with small errors, and large ones; some rows are wrong at each."""
    Y = np.where(np.arange(n)[:, None] % 2 == np.arange(2), 1.0, -1.0)

    def solve(alpha: float) -> Solution:
        scores = Y.copy()
        if alpha < 0.5:
            scores[:wrong_below] *= -0.1
        else:
            scores *= 5
            scores[n - wrong_above :] *= -1
        return Solution(np.array([[alpha]]), np.zeros(2), scores)

    fit = choose_alpha(solve, 1.0, Y, np.ones(n), None, units=units)
    assert fit.coef[0, 0] == fit.alpha  # the solution is the chosen penalty's, whatever was tried after it
    return fit.alpha_relative


def test_below_a_thousand_rows_squared_error_chooses_whatever_accuracy_says() -> None:
    assert few_wrong_or_large_errors(999, 50, 0) < 0.5


def test_from_a_thousand_rows_on_it_chooses_within_one_standard_error_of_the_best_accuracy() -> None:
    # 40 rows are right only at small penalties, c only at large ones: behind by (c − 40) / n, of which the
    # standard error is √(c + 40 − (c − 40)² / n) / n, which is level at about c = 49.
    assert few_wrong_or_large_errors(1000, 47, 40) < 0.5
    assert few_wrong_or_large_errors(1000, 52, 40) > 0.5
    # In pairs that err together the error is √2 times as large, which is level at about c = 53.5.
    assert few_wrong_or_large_errors(1000, 52, 40, units=np.arange(1000) // 2) < 0.5
    assert few_wrong_or_large_errors(1000, 58, 40, units=np.arange(1000) // 2) > 0.5


def test_a_penalty_that_becomes_best_again_is_solved_again() -> None:
    """The first is passed by one of smaller error, which then a third shows to be too inaccurate."""
    n = 1000
    Y = np.where(np.arange(n)[:, None] % 2 == np.arange(2), 1.0, -1.0)
    calls = []

    def solve(alpha: float) -> Solution:
        calls.append(alpha)
        scores = Y.copy()
        if alpha > 0.5:
            scores[:5] *= -1
            scores *= 2
        elif alpha > 0.05:
            scores[:9] *= -0.1
        else:
            scores *= 9  # all right, but far off
        return Solution(np.array([[alpha]]), np.zeros(2), scores)

    fit = choose_alpha(solve, 1.0, Y, np.ones(n), None)
    assert fit.coef[0, 0] == fit.alpha
    right = fit.loo_scores.argmax(axis=1) == Y.argmax(axis=1)
    assert right.mean() == next(p.loo_accuracy for p in fit.path if p.alpha == fit.alpha)


def test_penalties_that_cannot_be_solved_are_passed_over() -> None:
    fit, _ = search(1e-5, solvable_from=0.05)
    assert fit.alpha_relative == pytest.approx(0.1)
    with pytest.raises(IllConditionedError, match="No penalty"):
        search(1.0, solvable_from=1e9)


def test_a_settled_guess_is_taken_or_the_first_larger_one_that_can_be_solved() -> None:
    fit, calls = search(0.1, guess=0.01, settled=True)
    assert (fit.alpha_relative, calls) == (0.01, 1)
    fit, _ = search(0.1, guess=0.01, settled=True, solvable_from=0.5)
    assert fit.alpha_relative == 1.0
