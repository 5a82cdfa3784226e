"""Ridge against scikit-learn's, and leave-one-out against as many refits as there are rows."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge, RidgeClassifierCV

from lightprobe.errors import DataError
from lightprobe.ridge import (
    DegenerateKernelError,
    IllConditionedError,
    RidgeFit,
    RidgeStatistics,
    solve_dual,
    solve_primal,
)
from lightprobe.ridge import solve as solve_module

Floats = NDArray[np.float64]
N, M, C = 40, 12, 3


@pytest.fixture(name="X")
def features() -> Floats:
    return np.random.default_rng(0).standard_normal((N, M)) + 5  # far from zero: the intercept matters


@pytest.fixture(name="Y")
def random_targets() -> Floats:
    return targets(np.random.default_rng(1).integers(0, C, N))


@pytest.fixture
def weights() -> Floats:
    weights = np.random.default_rng(2).uniform(0.1, 3, N)
    weights[[3, 17]] = 0
    return weights


GROUPS = np.arange(N)
GROUPS[:5] = 0  # rows 3 and 17 have no weight: one stands in a group, one alone
GROUPS[[10, 20, 30]] = 10


def targets(labels: NDArray[np.intp]) -> Floats:
    return np.where(labels[:, None] == np.arange(C), 1.0, -1.0)


def by_refitting(
    X: Floats, Y: Floats, alpha: float, weights: Floats | None, groups: NDArray[np.intp] | None
) -> Floats:
    """Left-out scores by refitting scikit-learn's ridge without each row's group."""
    scores = np.empty_like(Y)
    for i in range(len(X)):
        kept = np.arange(len(X)) != i if groups is None else groups != groups[i]
        ridge = Ridge(alpha=alpha, solver="cholesky")
        ridge.fit(X[kept], Y[kept], sample_weight=None if weights is None else weights[kept])
        scores[i] = ridge.predict(X[i : i + 1])[0]
    return scores


@pytest.mark.parametrize("alpha_relative", [1e-4, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("wide", [False, True])
def test_left_out_scores_are_those_of_refits(
    X: Floats, Y: Floats, weights: Floats, alpha_relative: float, grouped: bool, weighted: bool, wide: bool
) -> None:
    if wide:  # more columns than rows
        X = np.hstack([X, np.random.default_rng(3).standard_normal((N, 2 * N))])
    options: dict[str, Any] = {
        "alpha_relative": alpha_relative,
        "weights": weights if weighted else None,
        "groups": GROUPS if grouped else None,
    }
    dual = solve_dual(X @ X.T, Y, **options)
    primal = solve_primal(X, Y, **options)
    expected = by_refitting(X, Y, dual.alpha, options["weights"], options["groups"])
    np.testing.assert_allclose(dual.loo_scores, expected, atol=1e-8)
    np.testing.assert_allclose(primal.loo_scores, expected, atol=1e-8)


@pytest.mark.parametrize("alpha_relative", [1e-3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_coefficients_are_those_of_scikit_learn(
    X: Floats, Y: Floats, weights: Floats, alpha_relative: float, weighted: bool
) -> None:
    options: dict[str, Any] = {"alpha_relative": alpha_relative, "weights": weights if weighted else None}
    dual = solve_dual(X @ X.T, Y, **options)
    primal = solve_primal(X, Y, **options)
    ridge = Ridge(alpha=dual.alpha, solver="cholesky").fit(X, Y, sample_weight=options["weights"])
    assert primal.alpha == pytest.approx(dual.alpha)
    np.testing.assert_allclose(primal.coef, ridge.coef_.T, atol=1e-10)
    np.testing.assert_allclose(primal.intercept, ridge.intercept_, atol=1e-10)
    np.testing.assert_allclose(X.T @ dual.coef, ridge.coef_.T, atol=1e-8)
    np.testing.assert_allclose(dual.intercept, ridge.intercept_, atol=1e-8)


def test_alpha_is_relative_to_the_mean_squared_distance_from_the_mean(X: Floats, Y: Floats) -> None:
    spread = ((X - X.mean(axis=0)) ** 2).sum(axis=1).mean()
    for fit in (solve_dual(X @ X.T, Y, alpha_relative=0.3), solve_primal(X, Y, alpha_relative=0.3)):
        assert fit.alpha == pytest.approx(0.3 * spread)
        assert fit.alpha_relative == 0.3


def test_leave_one_out_scores_equal_ridge_classifier_cvs(X: Floats) -> None:
    labels = np.random.default_rng(1).integers(0, C, N)
    fit = solve_dual(X @ X.T, targets(labels), alpha_relative=0.1)
    theirs = RidgeClassifierCV(alphas=[fit.alpha], scoring="accuracy", store_cv_results=True).fit(X, labels)
    np.testing.assert_allclose(fit.loo_scores, theirs.cv_results_[:, :, 0], atol=1e-8)


def test_the_constant_is_taken_out_at_small_alpha() -> None:
    """Kc has the constant as null vector: without taking it out, small alphas predict every row perfectly."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((30, 100)) + 100, targets(rng.integers(0, C, 30))
    fit = solve_dual(X @ X.T, Y, alpha_relative=1e-9)
    expected = by_refitting(X, Y, fit.alpha, None, None)
    np.testing.assert_allclose(fit.loo_scores, expected, atol=1e-5)
    assert np.abs(fit.loo_scores - Y).max() > 0.5


def test_a_weight_of_two_is_the_row_twice(X: Floats, Y: Floats) -> None:
    weights = np.random.default_rng(0).integers(0, 4, N).astype(float)
    repeated = np.repeat(np.arange(N), weights.astype(int))
    once = solve_dual(X @ X.T, Y, weights=weights)
    twice = solve_dual(X[repeated] @ X[repeated].T, Y[repeated], groups=repeated)
    assert once.alpha == pytest.approx(twice.alpha)
    np.testing.assert_allclose(X.T @ once.coef, X[repeated].T @ twice.coef, atol=1e-9)
    np.testing.assert_allclose(once.loo_scores[repeated], twice.loo_scores, atol=1e-9)


def test_the_chosen_alpha_has_the_least_leave_one_out_error_of_few_rows(X: Floats, Y: Floats) -> None:
    fit = solve_primal(X, Y)
    best = next(point for point in fit.path if point.alpha == fit.alpha)
    assert best.loo_mse <= 1.001 * min(point.loo_mse for point in fit.path)
    assert [p.alpha for p in fit.path] == sorted(p.alpha for p in fit.path)
    right = fit.loo_scores.argmax(axis=1) == Y.argmax(axis=1)
    assert best.loo_accuracy == pytest.approx(right.mean())
    assert best.loo_mse == pytest.approx(((fit.loo_scores - Y) ** 2).mean())


def test_dual_and_primal_choose_the_same_alpha(X: Floats, Y: Floats, weights: Floats) -> None:
    dual = solve_dual(X @ X.T, Y, weights=weights, groups=GROUPS)
    primal = solve_primal(X, Y, weights=weights, groups=GROUPS)
    assert dual.alpha_relative == primal.alpha_relative
    assert [p.loo_accuracy for p in dual.path] == pytest.approx([p.loo_accuracy for p in primal.path])


def test_batches_and_sampling_leave_the_primal_scores_alone(
    X: Floats, Y: Floats, weights: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = solve_primal(X, Y, alpha_relative=0.1, weights=weights, groups=GROUPS)
    monkeypatch.setattr(solve_module, "BLOCK_ROWS", 7)
    monkeypatch.setattr(solve_module, "SEARCH_ROWS", 14)
    parts = solve_primal(X, Y, alpha_relative=0.1, weights=weights, groups=GROUPS)
    np.testing.assert_allclose(parts.loo_scores, whole.loo_scores, atol=1e-12)
    np.testing.assert_allclose(parts.coef, whole.coef, atol=1e-12)
    sampled = solve_primal(X, Y, groups=GROUPS)  # several alphas, so that the last one tried is not the best
    again = solve_primal(X, Y, alpha_relative=sampled.alpha_relative, groups=GROUPS)
    np.testing.assert_allclose(sampled.loo_scores, again.loo_scores, atol=1e-12)


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_part_of_the_rows_saves_fits_and_changes_no_score(
    grouped: bool, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, C, 300)
    X = rng.standard_normal((300, 60)) + 0.4 * targets(labels) @ rng.standard_normal((C, 60))
    options: dict[str, Any] = {"groups": np.arange(300) // 2 if grouped else None}
    cold = solve_dual(X @ X.T, targets(labels), **options)
    monkeypatch.setattr(solve_module, "WARM_ROWS", 120)
    monkeypatch.setattr(solve_module, "SETTLED_ROWS", 300 if settled else 301)
    warm = solve_dual(X @ X.T, targets(labels), **options)
    assert len(warm.path) < len(cold.path)
    assert len(warm.path) == 1 or not settled
    assert abs(np.log10(warm.alpha_relative / cold.alpha_relative)) <= 0.5
    again = solve_dual(X @ X.T, targets(labels), alpha_relative=warm.alpha_relative, **options)
    np.testing.assert_array_equal(warm.loo_scores, again.loo_scores)


def test_given_statistics_are_used_and_left_alone(X: Floats, Y: Floats) -> None:
    statistics = RidgeStatistics.of(X, Y)
    before = statistics.gram.copy()
    fit = solve_primal(X, Y, statistics=statistics)
    np.testing.assert_array_equal(statistics.gram, before)
    np.testing.assert_allclose(fit.coef, solve_primal(X, Y).coef, atol=1e-12)


def test_the_kernel_is_left_alone_unless_it_may_be_used(X: Floats, Y: Floats) -> None:
    K = X @ X.T
    before = K.copy()
    kept = solve_dual(K, Y)
    np.testing.assert_array_equal(K, before)
    used = solve_dual(K, Y, overwrite_K=True)
    assert not np.array_equal(K, before)
    np.testing.assert_array_equal(used.loo_scores, kept.loo_scores)


@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_equal_rows_are_a_degenerate_kernel(solver: str, Y: Floats) -> None:
    X = np.full((N, M), 0.1)
    with pytest.raises(DegenerateKernelError, match="same for every row"):
        fit_with(solver, X, Y)


@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_an_alpha_too_small_to_solve_is_refused(solver: str, Y: Floats) -> None:
    X = np.repeat(np.random.default_rng(0).standard_normal((N // 2, 1)), 2, axis=0) * np.ones(M)
    with pytest.raises(IllConditionedError, match="use a larger one"):
        fit_with(solver, X, Y, alpha_relative=0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"weights": -np.ones(N)},
        {"weights": np.ones(N - 1)},
        {"weights": np.eye(N)[0]},
        {"groups": np.zeros(N)},
        {"groups": np.arange(3)},
    ],
)
@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_impossible_weights_and_groups_are_refused(
    solver: str, X: Floats, Y: Floats, options: dict[str, Any]
) -> None:
    with pytest.raises(DataError):
        fit_with(solver, X, Y, **options)


def fit_with(solver: str, X: Floats, Y: Floats, **options: Any) -> RidgeFit:
    return solve_module.SOLVERS[solver](X @ X.T if solver == "dual" else X, Y, **options)


def test_a_group_of_nearly_all_rows_is_searched_whole(
    monkeypatch: pytest.MonkeyPatch, X: Floats, Y: Floats
) -> None:
    groups = np.minimum(np.arange(N), 3)  # three rows alone, and all others together
    cold = solve_dual(X @ X.T, Y, groups=groups)
    monkeypatch.setattr(solve_module, "WARM_ROWS", 10)
    assert solve_dual(X @ X.T, Y, groups=groups).path == cold.path


def test_of_many_rows_few_may_have_a_weight() -> None:
    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((1600, 5)), targets(rng.integers(0, C, 1600))
    weights = np.zeros(1600)
    weights[:30] = rng.uniform(1, 2, 30)
    fit, few = (
        solve_dual(X @ X.T, Y, weights=weights),
        solve_dual(X[:30] @ X[:30].T, Y[:30], weights=weights[:30]),
    )
    assert fit.alpha == pytest.approx(few.alpha, rel=1e-6)
    np.testing.assert_allclose(fit.coef[:30], few.coef, rtol=0, atol=1e-8)
    np.testing.assert_allclose(fit.loo_scores[:30], few.loo_scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize("solver", [lambda X, *a, **k: solve_dual(X @ X.T, *a, **k), solve_primal])
def test_a_group_with_all_the_weight_is_refused_in_a_sentence(solver: Any, X: Floats, Y: Floats) -> None:
    weights = np.where(GROUPS == 0, 1.0, 0.0)
    with pytest.raises(DataError, match="of one group, so leaving it out leaves nothing to fit"):
        solver(X, Y, weights=weights, groups=GROUPS)


def test_a_group_without_which_nothing_is_settled_is_a_sentence() -> None:
    X = np.zeros((6, 2))
    X[:2, 0], X[3:, 1] = 1.0, [1.0, 2.0, 3.0]  # without the first two rows the first column is all zero
    with pytest.raises(IllConditionedError, match="leaves no digits to leave-one-out"):
        solve_primal(X, targets(np.arange(6) % C), alpha_relative=0.0, groups=np.array([0, 0, 1, 2, 3, 4]))
