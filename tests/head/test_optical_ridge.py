"""The estimator: scikit-learn's contract, scikit-learn's ridge, and the ways it may take."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import FitFailedWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from lightprobe.errors import DataError, OptionError, ResourceError
from lightprobe.head import HeadOptions, OpticalRidge, fit_head
from lightprobe.optics import Camera, OpticalFeatures, SignEncoder, linear_kernel
from lightprobe.ridge import DegenerateKernelError, expected_calibration_error

Bits = NDArray[np.uint8]
Labels = NDArray[np.str_]


def photos(n: int = 160, m: int = 400, classes: str = "abc", seed: int = 0) -> tuple[Bits, Labels]:
    """Bits whose chance of being one depends on the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(classes), n)
    chance = 0.35 + 0.3 * np.random.default_rng(99).random((len(classes), m))
    return (rng.random((n, m)) < chance[labels]).astype(np.uint8), np.array(list(classes))[labels]


@pytest.mark.parametrize("kernel", ["optical", "linear"])
def test_scikit_learns_estimator_checks_pass(kernel: str) -> None:
    check_estimator(OpticalRidge(kernel=kernel), on_skip=None)


@pytest.mark.parametrize("m", [20, 400])
@pytest.mark.parametrize("classes", ["ab", "abc"])
def test_the_linear_kernel_is_scikit_learns_ridge_classifier(m: int, classes: str) -> None:
    X, y = photos(m=m, classes=classes)
    head = OpticalRidge(kernel="linear", alpha=0.1).fit(X, y)
    theirs = RidgeClassifier(alpha=head.alpha_).fit(X.astype(float), y)
    assert head.solver_ == ("primal" if m < len(X) else "dual")
    np.testing.assert_allclose(head.coef_, np.atleast_2d(theirs.coef_), atol=1e-9)
    np.testing.assert_allclose(head.intercept_, theirs.intercept_, atol=1e-9)
    np.testing.assert_allclose(
        head.decision_function(X), theirs.decision_function(X.astype(float)), atol=1e-9
    )
    np.testing.assert_array_equal(head.predict(X), theirs.predict(X.astype(float)))


def test_the_exact_optical_kernel_is_kernel_ridge_on_centred_targets() -> None:
    """Without its intercept KernelRidge sees the kernel centred by hand."""
    X, y = photos()
    head = OpticalRidge(alpha=0.05).fit(X, y)
    F = X.astype(float)
    K = np.outer((F**2).sum(axis=1), (F**2).sum(axis=1)) + (F @ F.T) ** 2
    H = np.eye(len(X)) - 1 / len(X)
    Y = np.where(y[:, None] == np.unique(y), 1.0, -1.0)
    theirs = KernelRidge(alpha=head.alpha_, kernel="precomputed").fit(H @ K @ H, Y - Y.mean(axis=0))
    assert head.alpha_ == pytest.approx(0.05 * np.trace(H @ K @ H) / len(X))
    np.testing.assert_allclose(
        head.dual_coef_, theirs.dual_coef_, rtol=1e-6, atol=1e-9 * np.abs(theirs.dual_coef_).max()
    )
    expected = H @ K @ H @ theirs.dual_coef_ + Y.mean(axis=0)
    np.testing.assert_allclose(head.decision_function(X), expected, atol=1e-6)


def test_the_optical_kernel_of_unit_rows_is_a_polynomial_one() -> None:
    X, y = np.random.default_rng(0).standard_normal((60, 5)), np.arange(60) % 3
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    head = OpticalRidge(alpha=0.1).fit(X, y)
    features = polynomial_kernel(X, head.X_fit_, degree=2, gamma=1, coef0=0) + 1
    np.testing.assert_allclose(
        head.decision_function(X), features @ head.dual_coef_ + head.intercept_, atol=1e-10
    )


def test_leave_one_out_scores_are_those_of_estimators_that_have_not_seen_the_row() -> None:
    X, y = photos(n=30)
    head = OpticalRidge(alpha=0.1).fit(X, y)
    for i in (0, 7, 29):
        kept = np.arange(30) != i
        rest = OpticalRidge(alpha=1.0).fit(X[kept], y[kept])
        rest = OpticalRidge(alpha=head.alpha_ / rest.alpha_).fit(
            X[kept], y[kept]
        )  # alpha is held in absolute terms
        assert rest.alpha_ == pytest.approx(head.alpha_)
        np.testing.assert_allclose(head.loo_scores_[i], rest.decision_function(X[i : i + 1])[0], atol=1e-8)


def test_leave_one_out_accuracy_foretells_test_accuracy() -> None:
    X, y = photos(n=800, m=60)
    head = OpticalRidge().fit(X[:400], y[:400])
    assert 0.4 < head.loo_accuracy_ < 0.95
    assert abs(head.loo_accuracy_ - head.score(X[400:], y[400:])) < 0.08


def test_copies_of_a_photo_are_left_out_together() -> None:
    X, y = photos(n=40, m=50)
    once = OpticalRidge(alpha=0.1).fit(X, y)
    twice = OpticalRidge(alpha=0.2).fit(
        np.vstack([X, X]), np.hstack([y, y])
    )  # twice the data, twice the penalty
    assert once.loo_accuracy_ < 1
    np.testing.assert_allclose(twice.loo_scores_, np.vstack([once.loo_scores_] * 2), atol=1e-8)


def test_groups_are_left_out_together() -> None:
    X, y = photos(n=40)
    groups = np.arange(40) // 4
    head = OpticalRidge(alpha=0.1).fit(X, y, groups=groups)
    kept = groups != 0
    rest = OpticalRidge(alpha=1.0).fit(X[kept], y[kept])
    rest = OpticalRidge(alpha=head.alpha_ / rest.alpha_).fit(X[kept], y[kept])
    np.testing.assert_allclose(head.loo_scores_[:4], rest.decision_function(X[:4]), atol=1e-8)


def test_a_copy_in_another_group_is_left_out_with_the_group() -> None:
    X, y = photos(n=40)
    X[39], y[39] = X[0], y[0]
    head = OpticalRidge(alpha=0.1).fit(X, y, groups=np.arange(40) // 4)
    kept = (np.arange(40) >= 4) & (np.arange(40) < 36)
    rest = OpticalRidge(alpha=1.0).fit(X[kept], y[kept])
    rest = OpticalRidge(alpha=head.alpha_ / rest.alpha_).fit(X[kept], y[kept])
    np.testing.assert_allclose(head.loo_scores_[:4], rest.decision_function(X[:4]), atol=1e-8)


@pytest.mark.parametrize(("kernel", "m"), [("optical", 60), ("linear", 200), ("linear", 30)])
def test_leaving_weighted_groups_out_is_what_refits_say(kernel: str, m: int) -> None:
    """Class weights and the penalty stay what they were on all rows; in the dual and in the primal."""
    X, y = photos(n=60, m=m, classes="abc")
    weight = {"a": 0.5, "b": 1.0, "c": 3.0}
    groups = np.random.default_rng(3).integers(0, 15, 60)
    head = OpticalRidge(kernel=kernel, alpha=0.1, class_weight=weight).fit(X, y, groups=groups)
    F = X.astype(float)
    if kernel == "optical":  # |x|²|y|² + (x·y)² is the product of these features
        F = np.hstack([(F**2).sum(axis=1, keepdims=True), (F[:, :, None] * F[:, None, :]).reshape(60, -1)])
    Y = np.where(y[:, None] == head.classes_, 1.0, -1.0)
    w = np.array([weight[name] for name in y])
    for group in np.unique(groups)[:6]:
        kept = groups != group
        theirs = Ridge(head.alpha_).fit(F[kept], Y[kept], sample_weight=w[kept])
        np.testing.assert_allclose(head.loo_scores_[~kept], theirs.predict(F[~kept]), atol=1e-6)


@pytest.mark.parametrize("kernel", ["optical", "linear"])
def test_balanced_classes_weigh_the_same(kernel: str) -> None:
    X, y = photos(n=200, m=30, classes="ab")
    kept = (y == "b") | (np.arange(200) < 30)
    X, y = X[kept], y[kept]
    weight = {name: len(y) / (2 * (y == name).sum()) for name in "ab"}
    options: dict[str, Any] = {"kernel": kernel, "alpha": 0.1}
    balanced = OpticalRidge(**options, class_weight="balanced").fit(X, y)
    by_hand = OpticalRidge(**options, class_weight=weight).fit(X, y)
    by_row = OpticalRidge(**options).fit(X, y, sample_weight=np.array([weight[name] for name in y]))
    np.testing.assert_allclose(balanced.decision_function(X), by_hand.decision_function(X), atol=1e-10)
    np.testing.assert_allclose(balanced.decision_function(X), by_row.decision_function(X), atol=1e-10)
    rare = y == "a"
    plain = OpticalRidge(**options).fit(X, y)
    assert (balanced.loo_scores_.argmax(axis=1) == 0)[rare].mean() > (plain.loo_scores_.argmax(axis=1) == 0)[
        rare
    ].mean()


@pytest.mark.parametrize("components", [50, 1000])
@pytest.mark.parametrize("camera", [None, Camera()])
def test_random_features_are_a_linear_model_behind_a_projection(
    components: int, camera: Camera | None
) -> None:
    X, y = photos()
    head = OpticalRidge(components=components, camera=camera, alpha=0.1, random_state=0).fit(X, y)
    assert head.solver_ == ("primal" if components < len(X) else "dual")
    seed = head.features_.random_state
    features = OpticalFeatures(components, camera=camera, random_state=seed).fit_transform(X)
    linear = OpticalRidge(kernel="linear", alpha=0.1).fit(features, y)
    np.testing.assert_allclose(head.decision_function(X), linear.decision_function(features), atol=1e-6)
    assert head.loo_accuracy_ == linear.loo_accuracy_


def test_many_random_features_agree_with_the_exact_kernel() -> None:
    X, y = photos(n=100, m=64)
    exact = OpticalRidge(alpha=0.3).fit(X, y)
    sampled = OpticalRidge(alpha=0.3, components=40_000, random_state=0).fit(X, y)
    error = np.abs(sampled.loo_scores_ - exact.loo_scores_).mean() / np.abs(exact.loo_scores_).mean()
    assert error < 0.1


def test_too_little_memory_for_the_exact_kernel_means_random_features() -> None:
    X, y = photos(n=2000, m=64)
    budget = 2 * 10**7
    head = OpticalRidge(max_memory=budget, random_state=0).fit(X, y)
    assert head.solver_ == "primal"
    assert head.n_components_ is not None
    assert 64 <= head.n_components_ < 2000
    assert "exact kernel of 2000 rows" in head.plan_
    with pytest.raises(ResourceError, match="raise max_memory"):
        OpticalRidge(components="exact", max_memory=budget).fit(X, y)
    with pytest.raises(ResourceError, match="raise max_memory"):
        OpticalRidge(components=1999, max_memory=budget).fit(X, y)


def test_features_made_again_at_each_reading_give_the_same_model() -> None:
    X, y = photos(n=3000, m=64)
    stored = OpticalRidge(components=256, random_state=0).fit(X, y)
    tight = OpticalRidge(components=256, random_state=0, max_memory=10**7).fit(X, y)
    assert "made again" in tight.plan_
    assert "made again" not in stored.plan_
    np.testing.assert_allclose(tight.decision_function(X[:50]), stored.decision_function(X[:50]), atol=1e-8)
    assert tight.loo_accuracy_ == stored.loo_accuracy_


def test_probabilities_are_calibrated_and_follow_the_predictions() -> None:
    X, y = photos(n=1600, m=60)
    head = OpticalRidge().fit(X[:600], y[:600])
    probabilities = head.predict_proba(X[600:])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(head.classes_[probabilities.argmax(axis=1)], head.predict(X[600:]))
    assert expected_calibration_error(probabilities, np.searchsorted(head.classes_, y[600:])) < 0.06


def test_rows_are_predicted_alike_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = photos()
    for options in ({}, {"components": 50, "random_state": 0}, {"kernel": "linear"}):
        head = OpticalRidge(**options).fit(X, y)
        whole = head.decision_function(X)
        monkeypatch.setattr("lightprobe.head.decision.BLOCK_BYTES", 8 * 160 * 7)
        np.testing.assert_allclose(head.decision_function(X), whole, atol=1e-9)
        monkeypatch.undo()


def test_booleans_are_bits_and_other_numbers_are_not() -> None:
    X, y = photos()
    head = OpticalRidge(alpha=0.1).fit(X.astype(bool), y)
    np.testing.assert_array_equal(head.predict(X), head.predict(X.astype(float)))
    with pytest.raises(OptionError, match="encode them the same way"):
        head.predict(X + 0.5)


def test_it_works_in_pipelines_and_searches() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.standard_normal((90, 40)) + 2 * (y[:, None] == np.arange(40) % 3)
    search = GridSearchCV(
        make_pipeline(SignEncoder(), OpticalRidge()),
        {"signencoder__threshold": [0.0, 50.0], "opticalridge__kernel": ["linear", "optical"]},
        cv=3,
        error_score=0.0,
    )
    with pytest.warns(FitFailedWarning):  # nothing lies above 50: all rows are the same
        search.fit(X, y)
    assert search.best_params_["signencoder__threshold"] == 0.0
    assert search.best_score_ > 0.9


def test_fitting_again_forgets_the_model_before() -> None:
    X, y = photos()
    head = OpticalRidge(alpha=0.1).fit(X, y)
    head.set_params(kernel="linear").fit(X, y)
    np.testing.assert_array_equal(head.predict(X), clone(head).fit(X, y).predict(X))
    assert not hasattr(head, "X_fit_")


def test_seconds_and_cost_are_said() -> None:
    X, y = photos()
    head = OpticalRidge(components=50, projection="dense", random_state=0).fit(X, y)
    assert set(head.seconds_) == {"generate", "project", "fit"}
    assert all(seconds >= 0 for seconds in head.seconds_.values())
    costs = [
        OpticalRidge(kernel="linear").fit(X, y).cost_,
        OpticalRidge(components=50, random_state=0).fit(X, y).cost_,
        head.cost_,
        OpticalRidge().fit(X, y).cost_,
    ]
    assert costs == sorted(costs)


def test_rows_that_are_all_the_same_are_degenerate() -> None:
    for X in (np.ones((10, 3), dtype=np.uint8), np.full((10, 3), 0.1, dtype=np.float32)):
        with pytest.raises(DegenerateKernelError, match="same for every row"):
            OpticalRidge().fit(X, np.arange(10) % 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernel": "rbf"}, "kernel is 'rbf'"),
        ({"components": 0}, "components is 0"),
        ({"components": "all"}, "components is 'all'"),
        ({"components": 10, "kernel": "linear"}, "linear one has none"),
        ({"alpha": -1.0}, "alpha is -1.0"),
        ({"alpha": "best"}, "alpha is 'best'"),
        ({"class_weight": "even"}, "class_weight is 'even'"),
        ({"class_weight": {"z": 2.0}}, "names 'z'"),
    ],
)
def test_parameters_that_are_not_allowed_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        OpticalRidge(**options).fit(*photos(n=20))


def test_one_class_is_not_enough() -> None:
    with pytest.raises(DataError, match="one class"):
        OpticalRidge().fit(np.eye(4), np.array(["a"] * 4))


@pytest.mark.parametrize("kernel", ["linear", "optical"])
def test_products_shared_between_fits_change_nothing_and_stay_as_they_are(kernel: str) -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(40, 60)).astype(np.float32)
    y = rng.integers(0, 3, 40)
    given = linear_kernel(X)
    before = given.copy()
    alone = OpticalRidge(kernel=kernel, device="cpu").fit(X, y)
    shared = fit_head(X, y, len(set(y)), HeadOptions(kernel=kernel, device="cpu"), products=lambda: given)
    np.testing.assert_array_equal(shared.loo_scores, alone.loo_scores_)
    np.testing.assert_array_equal(shared.scores(X), alone.class_scores(X))
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("kernel", ["optical", "linear"])
def test_the_order_of_many_rows_does_not_matter(kernel: str) -> None:
    # 4,200 rows: half of them settle alpha in the dual, and 4,096 in the primal. Taking rows out and adding
    # them again leaves them at the end, which is one of the orders.
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 4200)
    X = (rng.normal(size=(4200, 4)) + 0.35 * y[:, None]).astype(np.float32)
    order = rng.permutation(4200)
    options = HeadOptions(kernel=kernel, device="cpu")
    one, other = (fit_head(X[rows], y[rows], 2, options) for rows in (np.arange(4200), order))
    assert one.solver == {"optical": "dual", "linear": "primal"}[kernel]
    assert other.alpha_relative == one.alpha_relative
    assert other.loo_accuracy == pytest.approx(one.loo_accuracy, abs=1e-12)
    # In the primal, sums of 1,024 products are taken in single precision, which another order may change by
    # 1,024 half steps at most; the system passes on no more of it, its features being alike and independent.
    slack = {"optical": 1e-7, "linear": 512 * float(np.finfo(np.float32).eps)}[kernel]
    np.testing.assert_allclose(other.loo_scores, one.loo_scores[order], rtol=0, atol=slack)


@pytest.mark.parametrize("kernel", ["optical", "linear"])
def test_single_precision_far_from_zero_is_as_good_as_double(kernel: str) -> None:
    X, y = load_digits(return_X_y=True)
    X, y = (X[:300] / 16 + 1e4).astype(np.float32), y[:300]  # steps of 0.001, which doubles keep
    single, double = (OpticalRidge(kernel=kernel).fit(rows, y) for rows in (X, X.astype(np.float64)))
    assert single.loo_accuracy_ == double.loo_accuracy_ > 0.8
    np.testing.assert_array_equal(single.class_scores(X[:20]), double.class_scores(X[:20]))
