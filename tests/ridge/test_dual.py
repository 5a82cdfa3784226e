"""One factor for many targets and groupings, against scikit-learn's refits."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from lightprobe.ridge import DualSystem, group_members

Floats = NDArray[np.float64]
N, M, C = 30, 50, 3


def refitted(X: Floats, Y: Floats, alpha: float, weights: Floats, groups: NDArray[np.intp]) -> Floats:
    scores = np.empty_like(Y)
    for group in np.unique(groups):
        out = groups == group
        ridge = Ridge(alpha=alpha, solver="cholesky").fit(X[~out], Y[~out], sample_weight=weights[~out])
        scores[out] = ridge.predict(X[out])
    return scores


@pytest.mark.parametrize("weighted", [False, True])
def test_one_factor_serves_all_targets_and_groupings(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, M)) + 3
    weights = rng.uniform(0.2, 2, N) if weighted else np.ones(N)
    system = DualSystem(X @ X.T, weights)
    for alpha in (30.0, 0.5):
        system.factorise(alpha)
        for Y in (rng.standard_normal((N, C)), rng.standard_normal((N, 2))):
            coef, intercept = system.solve(Y)
            ridge = Ridge(alpha=alpha, solver="cholesky").fit(X, Y, sample_weight=weights)
            np.testing.assert_allclose((X.T @ coef).T, ridge.coef_, atol=1e-9)
            np.testing.assert_allclose(intercept, ridge.intercept_, atol=1e-8)
            for groups in (np.arange(N), np.arange(N) // 3):
                scores = system.left_out_scores(coef, Y, group_members(groups, N))
                np.testing.assert_allclose(scores, refitted(X, Y, alpha, weights, groups), atol=1e-8)


def test_the_scale_is_the_weighted_mean_squared_distance_from_the_mean() -> None:
    rng = np.random.default_rng(0)
    X, weights = rng.standard_normal((N, M)) + 3, rng.uniform(0.2, 2, N)
    centred = X - np.average(X, axis=0, weights=weights)
    expected = np.average((centred**2).sum(axis=1), weights=weights)
    assert DualSystem(X @ X.T, weights).scale == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["float32", "int64", "reversed", "read-only"])
def test_targets_of_any_kind_are_solved_for(kind: str) -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((N, M)), np.where(rng.integers(0, C, N)[:, None] == np.arange(C), 1.0, -1.0)
    system = DualSystem(X @ X.T, np.ones(N))
    system.factorise(1.0)
    expected, _ = system.solve(Y)
    given = Y[:, ::-1] if kind == "reversed" else Y.copy() if kind == "read-only" else Y.astype(kind)
    given.flags.writeable = kind != "read-only"
    coef, _ = system.solve(given)
    np.testing.assert_allclose(coef[:, ::-1] if kind == "reversed" else coef, expected, atol=1e-12)
