import numpy as np
import pytest

from lightprobe.check.labels import label_noise, suspect_labels
from lightprobe.head import OpticalRidge


def blobs(n: int, rate: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of three overlapping classes, their labels, and which of these are wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 12)).astype(np.float32)
    X[np.arange(n), truth] += 3.0
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    wrong = rng.random(n) < rate
    labels = np.where(wrong, (truth + rng.integers(1, 3, n)) % 3, truth)
    return X, labels, wrong


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_flipped_labels_come_first_and_their_share_is_estimated(rate: float) -> None:
    X, labels, wrong = blobs(900, rate)
    noise = suspect_labels(X, labels, device="cpu").noise
    first = np.argsort(-noise.chance)[: wrong.sum()]
    assert wrong[first].mean() > 0.75
    assert noise.rate == pytest.approx(rate, abs=0.05)


def test_the_chance_that_a_label_is_wrong_is_calibrated() -> None:
    chances, truth = [], []
    for seed in range(3):
        X, labels, wrong = blobs(900, 0.15, seed)
        chances.append(suspect_labels(X, labels, device="cpu").noise.chance)
        truth.append(wrong)
    chance, wrong = np.concatenate(chances), np.concatenate(truth)
    for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
        some = (chance >= low) & (chance < high)
        assert wrong[some].mean() == pytest.approx(chance[some].mean(), abs=0.15)


def test_a_suggestion_is_the_right_label_as_a_rule_and_never_the_given_one() -> None:
    X, labels, wrong = blobs(600, 0.1)
    clean = blobs(600, 0.0)[1]
    noise = suspect_labels(X, labels, device="cpu").noise
    assert (noise.suggested != labels).all()
    assert (noise.suggested[wrong] == clean[wrong]).mean() > 0.75


def test_a_copy_does_not_vouch_for_a_wrong_label() -> None:
    X, labels, wrong = blobs(300, 0.1)
    twice, both = np.vstack([X, X + 1e-3]), np.hstack([labels, labels])
    copies = np.tile(np.arange(300), 2)
    alone = suspect_labels(twice, both, device="cpu").noise.chance
    together = suspect_labels(twice, both, copies, device="cpu").noise.chance
    assert together[np.tile(wrong, 2)].mean() > alone[np.tile(wrong, 2)].mean() + 0.1


def test_the_penalty_is_that_of_least_squared_error_not_of_most_right() -> None:
    X, labels, _ = blobs(400, 0.2)
    targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    searched = OpticalRidge(device="cpu").fit(X, labels)
    errors = {}
    for point in searched.alpha_path_:
        fixed = OpticalRidge(alpha=point.alpha_relative, device="cpu").fit(X, labels)
        errors[point.alpha_relative] = ((fixed.loo_scores_ - targets) ** 2).mean()
    best = min(errors, key=lambda alpha: errors[alpha])
    assert best != searched.alpha_relative_
    assert suspect_labels(X, labels, device="cpu").head.alpha_relative_ == best


def test_scores_that_say_nothing_accuse_nobody() -> None:
    noise = label_noise(np.zeros((10, 2)), np.arange(10) % 2)
    assert noise.rate == 0
    assert not noise.chance.any()
