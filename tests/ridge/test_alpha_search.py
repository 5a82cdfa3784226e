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


def test_accuracy_goes_before_squared_error() -> None:
    def solve(alpha: float) -> Solution:
        scores = Y.copy()
        if alpha < 0.5:  # one row wrong, the others perfect
            scores[0] *= -1
        else:
            scores *= 5
        return Solution(np.zeros((1, 1)), np.zeros(2), scores)

    assert choose_alpha(solve, 1.0, Y, np.ones(len(Y)), None).alpha_relative >= 1.0


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
