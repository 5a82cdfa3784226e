from typing import Any

import numpy as np
import pytest

from lightprobe.head import Attribution, Novelty, OpticalRidge, Scorer


def rows(n: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    X = rng.normal(size=(n, 8)).astype(np.float32)
    X[np.arange(n), y] += 2
    return X, y


# Each head and how near the sum comes: single precision in the products is magnified where c is a residual.
HEADS: list[tuple[dict[str, Any], float]] = [
    ({}, 1e-10),
    ({"kernel": "linear"}, 3e-4),
    ({"components": 30}, 3e-4),
    ({"components": 200}, 2e-2),
]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("how", "near"), HEADS, ids=str)
def test_shares_and_base_sum_to_the_score(
    classes: int, weighted: bool, how: dict[str, Any], near: float
) -> None:
    X, y = rows(60, classes)
    weights = {label: 1.0 + label for label in range(classes)} if weighted else None
    head = OpticalRidge(alpha=0.1, device="cpu", class_weight=weights, random_state=0, **how).fit(X, y)
    shares = Attribution(head.fitted_, X, y)
    new = rows(9, classes, seed=5)[0]
    asked = np.arange(9) % classes
    scores = head.class_scores(new)[np.arange(9), asked]
    np.testing.assert_allclose(
        shares(shares.compare(new)[0], asked).sum(axis=1) + shares.base[asked], scores, atol=near
    )
    if not weighted:
        targets = np.where(y[:, None] == np.arange(classes), 1.0, -1.0)
        np.testing.assert_allclose(shares.base, targets.mean(axis=0), atol=near)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_linear_heads_shares_sum_exactly_in_double_precision(classes: int) -> None:
    X, y = rows(60, classes)
    head = OpticalRidge(kernel="linear", alpha=0.1, device="cpu").fit(X.astype(np.float64), y)
    shares = Attribution(head.fitted_, X.astype(np.float64), y)
    new, asked = rows(9, classes, seed=5)[0].astype(np.float64), np.arange(9) % classes
    scores = head.class_scores(new)[np.arange(9), asked]
    np.testing.assert_allclose(
        shares(shares.compare(new)[0], asked).sum(axis=1) + shares.base[asked], scores, atol=1e-10
    )


def test_shares_are_coefficients_times_the_kernel_between_centred_features() -> None:
    """The optical kernel's features are |x|² and all products of two coordinates."""
    X, y = rows(40, 3)
    head = OpticalRidge(alpha=0.1, device="cpu").fit(X, y)
    new = rows(4, 3, seed=2)[0]

    def features(Z: np.ndarray) -> np.ndarray:
        Z = Z.astype(float)
        pairs = (Z[:, :, None] * Z[:, None, :]).reshape(len(Z), -1)
        return np.hstack([(Z**2).sum(axis=1, keepdims=True), pairs])

    mean = features(X).mean(axis=0)
    kernel = (features(new) - mean) @ (features(X) - mean).T
    shares = Attribution(head.fitted_, X, y)
    np.testing.assert_allclose(
        shares(shares.compare(new)[0], np.full(4, 1)), kernel * head.dual_coef_[:, 1], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("how", [{}, {"kernel": "linear"}, {"components": 30}], ids=str)
def test_scoring_and_comparing_give_the_same_kernel_and_cosines(how: dict[str, Any]) -> None:
    X, y = rows(60, 3)
    head = OpticalRidge(alpha=0.1, device="cpu", random_state=0, **how).fit(X, y).fitted_
    attribution, new = Attribution(head, X, y), rows(5, 3, seed=5)[0]
    kernel, cosines = attribution.compare(new, Scorer(head, Novelty.of(head, y, np.arange(60), X), X)(new))
    np.testing.assert_array_equal(kernel, attribution.compare(new)[0])
    lengths = np.linalg.norm(new.astype(float), axis=1)[:, None] * np.linalg.norm(X.astype(float), axis=1)
    np.testing.assert_allclose(cosines, new.astype(float) @ X.T.astype(float) / lengths, atol=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = rows(50, 3)
    attribution = Attribution(OpticalRidge(alpha=0.1, device="cpu").fit(X, y).fitted_, X, y)
    kernel, _ = attribution.compare(X)
    whole = attribution(kernel, y)
    monkeypatch.setattr("lightprobe.head.attribution.BLOCK_ROWS", 7)
    np.testing.assert_array_equal(attribution(kernel, y), whole)
