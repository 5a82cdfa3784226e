from typing import Any

import numpy as np
import pytest

from lightprobe.check import labels as labels_module
from lightprobe.check.labels import judge_labels, label_findings, label_noise
from lightprobe.images import open_images
from lightprobe.optics import optical_kernel
from lightprobe.ridge import RidgeFit, solve_dual


def blobs(
    n: int, rate: float, seed: int = 0, apart: float = 3.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of three overlapping classes, their labels, and which of these are wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 12)).astype(np.float32)
    X[np.arange(n), truth] += apart
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    wrong = rng.random(n) < rate
    labels = np.where(wrong, (truth + rng.integers(1, 3, n)) % 3, truth)
    return X, labels, wrong


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_flipped_labels_come_first_and_their_share_is_estimated(rate: float) -> None:
    X, labels, wrong = blobs(900, rate)
    noise = judge_labels(X, labels).noise
    first = np.argsort(-noise.chance)[: wrong.sum()]
    assert wrong[first].mean() > 0.75
    assert noise.rate == pytest.approx(rate, abs=0.05)


@pytest.mark.parametrize(("n", "rate", "draws"), [(600, 0.15, 3), (600, 0.05, 5)])
def test_the_chance_that_a_label_is_wrong_is_calibrated(n: int, rate: float, draws: int) -> None:
    chances, truth = [], []
    for seed in range(draws):
        X, labels, wrong = blobs(n, rate, seed)
        chances.append(judge_labels(X, labels).noise.chance)
        truth.append(wrong)
    chance, wrong = np.concatenate(chances), np.concatenate(truth)
    for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
        some = (chance >= low) & (chance < high)
        assert wrong[some].mean() == pytest.approx(chance[some].mean(), abs=0.15)


def flowed(n: int, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three classes; a share of the second has the third one's label."""
    X, truth, _ = blobs(n, 0.0, seed, apart=7.0)
    wrong = (truth == 1) & (np.random.default_rng(seed + 9).random(n) < share)
    return X, np.where(wrong, 2, truth), wrong


@pytest.mark.parametrize("seed", range(3))
def test_labels_that_go_to_one_other_class_are_found_and_their_share_is_estimated(seed: int) -> None:
    X, labels, wrong = flowed(900, 0.3, seed)
    noise = judge_labels(X, labels).noise
    flows = noise.transition.flows
    assert np.argwhere(flows).tolist() == [[1, 2]]
    assert flows[1, 2] == pytest.approx(0.3, abs=0.1)
    assert noise.rate == pytest.approx(0.1, abs=0.05)
    listed = noise.chance >= labels_module.LEAST_CHANCE
    assert (listed & wrong).sum() > 0.7 * wrong.sum()
    assert (listed & ~wrong).sum() < 0.3 * wrong.sum()
    np.testing.assert_allclose(noise.transition.matrix().sum(axis=1), 1)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.2])
def test_hard_classes_and_uniform_noise_are_no_systematic_errors(rate: float) -> None:
    X, labels, _ = blobs(900, rate)
    assert not judge_labels(X, labels).noise.transition.flows.any()


def test_classes_that_look_mixed_up_are_named_as_a_pair() -> None:
    X, labels, wrong = flowed(900, 0.3)
    names = ("lily", "rose", "tulip")
    images = open_images((np.zeros((900, 2, 2, 3), np.uint8), np.array(names)[labels]))
    first, *others = label_findings(judge_labels(X, labels).noise, images, names)
    assert (first.kind, first.path) == ("mixed-classes", "tulip")
    count, of = (int(word) for word in first.evidence.split() if word.isdigit())
    assert first.evidence == f"{count} of {of} 'tulip' look like 'rose'"
    assert of == (labels == 2).sum()
    assert count == pytest.approx(wrong.sum(), rel=0.3)
    assert {one.kind for one in others} == {"suspicious-label"}


def test_a_suggestion_is_the_right_label_as_a_rule_and_never_the_given_one() -> None:
    X, labels, wrong = blobs(600, 0.1)
    clean = blobs(600, 0.0)[1]
    noise = judge_labels(X, labels).noise
    assert (noise.suggested != labels).all()
    assert (noise.suggested[wrong] == clean[wrong]).mean() > 0.75


def test_a_copy_does_not_vouch_for_a_wrong_label() -> None:
    X, labels, wrong = blobs(300, 0.1)
    twice, both = np.vstack([X, X + 1e-3]), np.hstack([labels, labels])
    copies = np.tile(np.arange(300), 2)
    alone = judge_labels(twice, both).noise.chance
    together = judge_labels(twice, both, [copies]).noise.chance
    assert together[np.tile(wrong, 2)].mean() > alone[np.tile(wrong, 2)].mean() + 0.1


def solved(X: np.ndarray, labels: np.ndarray, **options: Any) -> RidgeFit:
    """Ridge on the sharper kernel, by itself."""
    targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    return solve_dual(optical_kernel(X, degree=3), targets, **options)


def test_the_penalty_is_that_of_least_squared_error_not_of_most_right() -> None:
    X, labels, _ = blobs(400, 0.2)
    searched = solved(X, labels)
    best = min(searched.path, key=lambda point: point.loo_mse).alpha_relative
    assert best != max(searched.path, key=lambda point: point.loo_accuracy).alpha_relative
    fixed = solved(X, labels, alpha_relative=best)
    np.testing.assert_allclose(judge_labels(X, labels).left_out[0], fixed.loo_scores, atol=1e-9)


def test_the_second_fit_has_probable_labels_for_targets() -> None:
    X, labels, _ = blobs(300, 0.2)
    judged = judge_labels(X, labels)
    best = min(solved(X, labels).path, key=lambda point: point.loo_mse).alpha_relative
    first = label_noise(judged.left_out[0], labels)
    targets = 2 * first.posterior - 1
    again = solve_dual(optical_kernel(X, degree=3), targets, alpha_relative=best)
    expected = label_noise(again.loo_scores, labels, first.transition)
    assert judged.noise.transition.rate == first.transition.rate
    np.testing.assert_allclose(judged.noise.chance, expected.chance, atol=1e-6)


def test_groupings_leave_out_what_refits_leave_out() -> None:
    X, labels, _ = blobs(60, 0.1)
    groups = np.arange(60) // 2
    grouped = judge_labels(X, labels, [None, groups]).left_out[1]
    best = min(solved(X, labels).path, key=lambda point: point.loo_mse)
    K = optical_kernel(X, degree=3)
    for out in (groups == 4, groups == 17):
        # The penalty is held in absolute terms while rows are left out.
        kept = K[np.ix_(~out, ~out)]
        centred = kept - kept.mean(axis=0) - kept.mean(axis=1)[:, None] + kept.mean()
        relative = best.alpha / (np.trace(centred) / len(kept))
        fit = solved(X[~out], labels[~out], alpha_relative=relative)
        np.testing.assert_allclose(grouped[out], K[np.ix_(out, ~out)] @ fit.coef + fit.intercept, atol=1e-8)


def test_photos_with_the_same_features_are_left_out_together() -> None:
    X, labels, _ = blobs(60, 0.1)
    twice, both = np.vstack([X, X]), np.hstack([labels, labels])
    unasked = judge_labels(twice, both).left_out[0]
    asked = judge_labels(twice, both, [np.tile(np.arange(60), 2)]).left_out[0]
    np.testing.assert_array_equal(unasked, asked)


def test_many_photos_are_judged_in_parts_about_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    X, labels, wrong = blobs(900, 0.1)
    whole = judge_labels(X, labels).noise.chance
    monkeypatch.setattr(labels_module, "PART_ROWS", 300)
    parts = judge_labels(X, labels).noise.chance
    assert not np.array_equal(parts, whole)
    found = [wrong[np.argsort(-chance)[: wrong.sum()]].mean() for chance in (whole, parts)]
    assert found[1] == pytest.approx(found[0], abs=0.1)
    assert np.corrcoef(whole, parts)[0, 1] > 0.9


def test_parts_hide_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels at random, every photo twice: only its copy tells a photo's label."""
    rng = np.random.default_rng(1)
    X, labels = blobs(150, 0, seed=0)[0], rng.integers(0, 3, 150)
    twice, both = np.vstack([X, X + rng.normal(0, 1e-3, X.shape)]), np.hstack([labels, labels])
    monkeypatch.setattr(labels_module, "PART_ROWS", 40)
    plain, grouped = judge_labels(twice, both, [None, np.tile(np.arange(150), 2)]).left_out
    assert (plain.argmax(axis=1) == both).mean() > 0.95
    assert (grouped.argmax(axis=1) == both).mean() < 0.5


def test_every_part_has_its_share_of_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "PART_ROWS", 16)
    labels = np.repeat([0, 1, 2], [50, 8, 5])
    parts = labels_module._deal(labels, np.arange(63), np.arange(63, dtype=np.uint64))
    assert sorted(np.concatenate(parts)) == list(range(63))
    assert len(parts) == 4
    for part in parts:
        np.testing.assert_allclose(np.bincount(labels[part], minlength=3), [12.5, 2, 1.25], atol=1)
        assert len(part) in (15, 16)


def test_no_part_is_of_one_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "PART_ROWS", 16)
    units = np.zeros(60, dtype=np.intp)
    units[40:50], units[50:] = 1, 2
    parts = labels_module._deal(np.arange(60) % 2, units, np.arange(60, dtype=np.uint64))
    assert [len(np.unique(units[part])) for part in parts] == [3]


def test_the_posterior_is_bayes_rule() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(300, 3))
    labels = (scores + rng.normal(size=(300, 3))).argmax(axis=1)
    labels[::10] = (labels[::10] + 1) % 3
    noise = label_noise(scores, labels)
    np.testing.assert_allclose(noise.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(noise.chance, 1 - noise.posterior[np.arange(300), labels], atol=1e-12)
    given = np.arange(3) == labels[:, None]
    apart = np.log(noise.posterior / np.where(given, 1 - noise.transition.rate, noise.transition.rate / 2))
    apart -= apart.mean(axis=1, keepdims=True)  # what is left is β s, up to a constant a photo
    centred = scores - scores.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(apart, centred * (apart[0, 0] / centred[0, 0]), atol=1e-8)


def test_scores_that_say_nothing_accuse_nobody() -> None:
    noise = label_noise(np.zeros((10, 2)), np.arange(10) % 2)
    assert noise.rate == 0
    assert not noise.chance.any()
