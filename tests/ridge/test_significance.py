"""Intervals hold the truth as often as they say, groups or none."""

import numpy as np
import pytest
from scipy.stats import binomtest

from lightprobe.ridge import accuracy_interval


def test_without_groups_it_is_wilsons() -> None:
    right = np.arange(200) < 183
    theirs = binomtest(183, 200).proportion_ci(0.95, method="wilson")
    assert accuracy_interval(right) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("n_groups", "accuracy"), [(20, 0.8), (60, 0.8), (60, 0.93), (200, 0.9)])
def test_with_groups_of_ten_it_holds_the_truth_in_95_of_100_cases(n_groups: int, accuracy: float) -> None:
    # Things differ: a thing's ten views are right with a chance of its own, of mean `accuracy`.
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(n_groups), 10)
    ours = photos = 0
    for _ in range(1000):
        chance = rng.beta(accuracy, 1 - accuracy, n_groups)
        right = rng.random(10 * n_groups) < chance[units]
        low, high = accuracy_interval(right, units)
        ours += low <= accuracy <= high
        low, high = accuracy_interval(right)
        photos += low <= accuracy <= high
    assert photos < 720
    assert ours == pytest.approx(950, abs=25)  # three standard errors of 1,000 draws, and the approximation


def test_groups_that_are_right_or_wrong_as_one_count_once() -> None:
    right = np.repeat(np.arange(50) < 40, 10)
    low, high = accuracy_interval(right, np.repeat(np.arange(50), 10))
    few_low, few_high = accuracy_interval(np.arange(50) < 40)
    assert low < few_low < few_high < high  # Student's quantile, and G/(G − 1)
    assert (low, high) == pytest.approx((few_low, few_high), abs=0.01)
