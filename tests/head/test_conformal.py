"""Sets of labels hold the right one as often as they say."""

from dataclasses import replace

import numpy as np
import pytest

from lightprobe.errors import OptionError
from lightprobe.head import Conformal, FittedHead, OpticalRidge, check_coverage


def overlapping(
    n: int, seed: int, shares: tuple[float, ...] = (0.5, 0.3, 0.2)
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.choice(len(shares), size=n, p=shares)
    X = rng.normal(size=(n, 8)).astype(np.float32)
    X[np.arange(n), y] += 1.5
    return X, y


@pytest.fixture(scope="module")
def head() -> FittedHead:
    return OpticalRidge(kernel="linear", device="cpu").fit(*overlapping(900, 0)).fitted_


def learnt(head: FittedHead, seed: int = 0) -> Conformal:
    y = overlapping(900, seed)[1]
    return Conformal.of(head, y, np.arange(900))


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_sets_hold_the_right_label_as_often_as_asked_in_every_class(
    head: FittedHead, coverage: float
) -> None:
    X, y = overlapping(6000, 1)
    held = learnt(head).holds(head.probabilities(X), coverage)
    right = held[np.arange(6000), y]
    # 900 photos set the thresholds, and 180 of the smallest class: three of their standard errors.
    assert right.mean() == pytest.approx(coverage, abs=3 * (coverage * (1 - coverage) / 900) ** 0.5 + 0.01)
    for label in range(3):
        error = (coverage * (1 - coverage) / 180) ** 0.5
        assert right[y == label].mean() == pytest.approx(coverage, abs=3 * error + 0.01)


def test_a_threshold_is_the_rank_that_the_definition_names(head: FittedHead) -> None:
    y = overlapping(900, 0)[1]
    strange = 1 - head.calibration.probabilities(head.loo_scores)[np.arange(900), y]
    small = replace(head, loo_scores=head.loo_scores[:40])
    few = Conformal.of(small, y[:40], np.arange(40))  # no class has 50: all share one
    expected = np.sort(strange[:40])[int(np.ceil(41 * 0.9)) - 1]
    np.testing.assert_allclose(few.thresholds(0.9), [expected] * 3, rtol=1e-12)
    np.testing.assert_array_equal(
        few.thresholds(0.98), [np.inf] * 3
    )  # 41 · 0.98 is more than the 40 there are
    assert few.holds(head.probabilities(overlapping(5, 2)[0]), 0.98).all()


def test_photos_left_out_together_count_once(head: FittedHead) -> None:
    y = overlapping(900, 0)[1]
    tens = Conformal.of(head, y, np.arange(900) // 100)
    assert tens.units[0] == 9
    np.testing.assert_array_equal(tens.thresholds(0.95), [np.inf] * 3)


def test_small_classes_share_a_threshold_of_their_own(head: FittedHead) -> None:
    y = overlapping(900, 0)[1]
    units = np.where(y > 0, np.arange(900) // 20, np.arange(900) + 1000)  # few units of the second and third
    sets = Conformal.of(head, y, units)
    own, second, third = sets.thresholds(0.9)
    assert second == third != own
    renamed = sets.over_classes(np.array([2, -1, 0]))
    np.testing.assert_array_equal(renamed.thresholds(0.9), [third, third, own])
    again = Conformal.from_arrays(vars(sets), 3)
    np.testing.assert_array_equal(again.thresholds(0.9), sets.thresholds(0.9))
    with pytest.raises(ValueError, match="do not fit the classes"):
        Conformal.from_arrays(vars(sets), 4)


def test_an_empty_set_says_that_no_label_is_probable_enough(head: FittedHead) -> None:
    sets = learnt(head)
    between = np.full((1, 3), 1 / 3)
    assert not sets.holds(between, 0.5).any()
    assert sets.holds(between, 0.999).all()


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0])
def test_a_coverage_that_is_none_is_refused(coverage: float) -> None:
    with pytest.raises(OptionError, match="above 0 and below 1"):
        check_coverage(coverage)
