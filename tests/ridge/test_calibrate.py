"""Probabilities from scores: a known temperature is found again, and nothing is ever NaN."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss

from lightprobe.errors import DataError, ModelFileError
from lightprobe.ridge import (
    Calibration,
    calibration_error_limit,
    expected_calibration_error,
    fit_calibration,
)


def draw(scale: float, n: int = 20_000) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Scores, and labels drawn from softmax(scale · scores)."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((n, 4))
    cumulative = softmax(scale * scores, axis=1).cumsum(axis=1)
    return scores, np.minimum((rng.random((n, 1)) > cumulative).sum(axis=1), 3)


@pytest.mark.parametrize("scale", [0.3, 2.0, 9.0])
def test_a_known_temperature_is_recovered(scale: float) -> None:
    scores, labels = draw(scale)
    assert fit_calibration(scores, labels).scale == pytest.approx(scale, rel=0.04)


def test_what_all_classes_share_changes_nothing() -> None:
    scores, labels = draw(2.0, 30)
    shifted = scores + np.random.default_rng(1).normal(0, 50, (30, 1))
    assert fit_calibration(shifted, labels).scale == pytest.approx(fit_calibration(scores, labels).scale)


def test_weights_count_rows() -> None:
    scores, labels = draw(2.0, 500)
    weights = np.random.default_rng(1).integers(0, 3, 500)
    repeated = np.repeat(np.arange(500), weights)
    weighted = fit_calibration(scores, labels, weights.astype(float))
    again = fit_calibration(scores[repeated], labels[repeated], units=repeated)
    assert weighted.scale == pytest.approx(again.scale)


def test_weights_count_by_their_ratios_alone() -> None:
    # Kish's effective number: weights that sum to one say as much as ones do.
    scores, labels = draw(9.0, 400)
    ones = fit_calibration(scores, labels)
    for size in (1 / 400, 1000.0):
        assert fit_calibration(scores, labels, np.full(400, size)).scale == pytest.approx(ones.scale)


def weak(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Scores 2 P − 1 of ten classes that are hard to tell apart, and labels drawn from these P."""
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(10, 0.3), n)
    labels = np.minimum((rng.random((n, 1)) > P.cumsum(axis=1)).sum(axis=1), 9)
    return 2 * P - 1, labels


def test_a_floor_is_taken_where_scores_are_shares_and_it_lowers_the_loss() -> None:
    scores, labels = weak(3000, 0)
    fitted = fit_calibration(scores, labels)
    assert fitted.floor is not None
    fresh, truth = weak(5000, 1)
    plain = minimize_scalar(lambda s: log_loss(truth, softmax(s * fresh, axis=1)), bounds=(0.1, 50)).fun
    probabilities = fitted.probabilities(fresh)
    assert log_loss(truth, probabilities) < plain - 0.02
    shares = ((1 + fresh) / 2 + fitted.floor) ** fitted.scale
    np.testing.assert_allclose(probabilities, shares / shares.sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), fresh.argmax(axis=1))
    assert Calibration.from_dict(fitted.to_dict()) == fitted


def test_one_temperature_stays_where_it_is_right() -> None:
    scores, labels = draw(2.0, 3000)
    assert fit_calibration(scores, labels).floor is None
    assert fit_calibration(scores, labels).to_dict().keys() == {"scale"}


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_perfect_separation_stays_finite(size: float) -> None:
    labels = np.arange(30) % 3
    scores = size * np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    probabilities = fit_calibration(scores, labels).probabilities(scores)
    right = probabilities[np.arange(30), labels]
    assert np.isfinite(probabilities).all()
    assert ((right > 0.9) & (right < 1)).all()


def test_scores_that_mislead_get_flat_probabilities_in_the_same_order() -> None:
    scores, labels = draw(5.0, 1000)
    misled = fit_calibration(-scores, labels).probabilities(-scores)
    assert np.abs(misled - 0.25).max() < 0.01
    np.testing.assert_array_equal(misled.argmax(axis=1), (-scores).argmax(axis=1))


def test_scores_without_spread_give_equal_probabilities() -> None:
    scores, labels = np.full((10, 2), 0.7), np.arange(10) % 2
    np.testing.assert_array_equal(fit_calibration(scores, labels).probabilities(scores), 0.5)


def test_huge_scores_give_probabilities_that_sum_to_one() -> None:
    probabilities = Calibration(1e4).probabilities(np.array([[1e300, -1e300], [0.0, 0.0]]))
    np.testing.assert_allclose(probabilities, [[1.0, 0.0], [0.5, 0.5]])


def test_calibration_error_of_a_worked_example() -> None:
    """Four predictions at 0.9, half of them right, and one certain and right: 4/5 · 0.4 + 1/5 · 0."""
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.0, 1.0]])
    labels = np.array([0, 0, 1, 1, 1])
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.32)
    with pytest.raises(DataError, match="at least one"):
        expected_calibration_error(probabilities[:0], labels[:0])


def test_calibrated_probabilities_have_a_small_calibration_error() -> None:
    scores, labels = draw(2.0)
    calibrated = fit_calibration(scores, labels).probabilities(scores)
    assert expected_calibration_error(calibrated, labels) < 0.015
    assert expected_calibration_error(Calibration(8.0).probabilities(scores), labels) > 0.1


def test_a_calibration_survives_json_and_a_damaged_one_is_refused() -> None:
    assert Calibration.from_dict(Calibration(2.5).to_dict()) == Calibration(2.5)
    for damaged in ({}, {"scale": -1.0}, {"scale": float("nan")}, {"scale": "2"}):
        with pytest.raises(ModelFileError, match="positive number"):
            Calibration.from_dict(damaged)


def test_a_perfectly_calibrated_predictor_stays_below_the_limit_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    below = 0
    for _ in range(100):
        probabilities = rng.dirichlet([1, 1, 1], 200)
        labels = (rng.random((200, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=2)
        error = expected_calibration_error(probabilities, labels)
        below += error <= calibration_error_limit(probabilities, draws=200)
    assert 89 <= below <= 100
    overconfident = np.tile([0.99, 0.01], (200, 1))
    labels = (np.arange(200) % 2).astype(np.intp)
    assert expected_calibration_error(overconfident, labels) > calibration_error_limit(overconfident)
