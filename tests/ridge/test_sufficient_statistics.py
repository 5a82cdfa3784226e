"""Sums that add, subtract and merge: to the last bit for integers, to rounding for floats."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.ridge import RidgeStatistics, solve_primal
from lightprobe.ridge import sufficient_statistics as statistics_module

N, M, C = 60, 9, 3
FIELDS = ("n_rows", "weight", "feature_sum", "target_sum", "gram", "moment")


@pytest.fixture(name="Y")
def random_targets() -> NDArray[np.float64]:
    return np.where(np.random.default_rng(1).integers(0, C, N)[:, None] == np.arange(C), 1.0, -1.0)


@pytest.fixture(name="X")
def speckle() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (N, M)).astype(np.uint8)


def assert_same(a: RidgeStatistics, b: RidgeStatistics, tolerance: float = 0.0) -> None:
    for field in FIELDS:
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_are_what_their_definition_says(
    X: NDArray[np.uint8], Y: NDArray[np.float64], weighted: bool
) -> None:
    w = np.random.default_rng(2).uniform(0, 2, N) if weighted else np.ones(N)
    sums = RidgeStatistics.of(X, Y, w if weighted else None)
    F = X.astype(float)
    assert sums.n_rows == N
    assert sums.weight == pytest.approx(w.sum())
    np.testing.assert_allclose(sums.feature_sum, sum(w[i] * F[i] for i in range(N)))
    np.testing.assert_allclose(sums.target_sum, sum(w[i] * Y[i] for i in range(N)))
    np.testing.assert_allclose(sums.gram, sum(w[i] * np.outer(F[i], F[i]) for i in range(N)))
    np.testing.assert_allclose(sums.moment, sum(w[i] * np.outer(F[i], Y[i]) for i in range(N)), atol=1e-9)


def test_integers_merge_and_subtract_to_the_last_bit(
    X: NDArray[np.uint8], Y: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = RidgeStatistics.of(X, Y)
    monkeypatch.setattr(statistics_module, "BLOCK_ROWS", 7)
    monkeypatch.setattr(statistics_module, "BLOCK_COLUMNS", 4)
    a, b, c = (RidgeStatistics.of(X[rows], Y[rows]) for rows in (slice(0, 11), slice(11, 40), slice(40, N)))
    assert_same(a + b + c, whole)
    assert_same(c + (a + b), whole)
    assert_same(whole - b, RidgeStatistics.of(np.delete(X, range(11, 40), 0), np.delete(Y, range(11, 40), 0)))
    assert_same(RidgeStatistics.empty(M, C) + whole, whole)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_summed_as_exactly_as_they_are(dtype: type, Y: NDArray[np.float64]) -> None:
    X: Any = np.random.default_rng(0).standard_normal((N, M)).astype(dtype)
    exact = X.astype(np.longdouble).T @ X.astype(np.longdouble)
    tolerance = 1e-14 if dtype is np.float64 else 1e-6
    np.testing.assert_allclose(RidgeStatistics.of(X, Y).gram, exact.astype(float), atol=N * tolerance)


def test_floats_merge_and_subtract_to_rounding(Y: NDArray[np.float64]) -> None:
    X = np.random.default_rng(0).standard_normal((N, M)).astype(np.float32)
    a, b = RidgeStatistics.of(X[:20], Y[:20]), RidgeStatistics.of(X[20:], Y[20:])
    assert_same(a + b, RidgeStatistics.of(X, Y), 1e-5)
    assert_same(RidgeStatistics.of(X, Y) - a, b, 1e-5)


def test_saturated_speckle_overflows_nothing() -> None:
    n = 140_000  # 255² n is far beyond 2³¹
    sums = RidgeStatistics.of(np.full((n, 2), 255, dtype=np.uint8), np.ones((n, 1)))
    np.testing.assert_array_equal(sums.gram, np.full((2, 2), 255**2 * n))


def test_merged_sums_give_the_fit_on_everything(X: NDArray[np.uint8], Y: NDArray[np.float64]) -> None:
    merged = RidgeStatistics.of(X[:25], Y[:25]) + RidgeStatistics.of(X[25:], Y[25:])
    np.testing.assert_array_equal(solve_primal(X, Y, statistics=merged).coef, solve_primal(X, Y).coef)
