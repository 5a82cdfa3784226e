"""The rule by which candidates are chosen, and what having been chosen adds."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import Tap
from lightprobe.features import TapSet
from lightprobe.ridge import Trials
from lightprobe.selection import Candidate, Choice, Photos, Rivals, optimism

EARLY, LAST, FLAT = (TapSet.of(Tap(*tap)) for tap in (("early", "avg"), ("last", "avg"), ("last", "flatten")))


def candidate(taps: TapSet, correct: NDArray[np.bool_], cost: int, squared: float = 1.0) -> Candidate:
    return Candidate(
        Choice(taps, "none", f"{squared}"),
        loo_accuracy=float(correct.mean()),
        cost=cost,
        correct=correct,
        squared=np.full(len(correct), squared),
    )


def right_but(*wrong: slice, n: int) -> NDArray[np.bool_]:
    correct = np.ones(n, bool)
    for some in wrong:
        correct[some] = False
    return correct


def taken(tried: list[Candidate], photos: Photos | None = None) -> Candidate:
    photos = photos or Photos.of(np.ones(len(tried[0].correct)), None)
    return tried[Rivals.of(tried, photos).taken()]


def test_the_most_accurate_is_taken_and_of_these_the_one_of_least_squared_error() -> None:
    worse, better = right_but(slice(3), n=400), right_but(slice(2), n=400)
    accurate = candidate(LAST, better, cost=9, squared=2.0)
    assert taken([candidate(EARLY, worse, cost=1), accurate]) == accurate
    precise = candidate(FLAT, better, cost=10, squared=1.9)
    assert taken([candidate(EARLY, worse, cost=1), accurate, precise]) == precise


@pytest.mark.parametrize("n", [499, 500])
def test_from_500_photos_on_the_cheaper_of_two_layers_is_taken_within_one_standard_error(n: int) -> None:
    # b photos are right only by the dearer, c only by the other: level within √(b + c − (b − c)²/n) / n.
    dear = candidate(LAST, right_but(slice(0, 4), n=n), cost=9)
    level = candidate(EARLY, right_but(slice(10, 17), n=n), cost=1)  # 7 − 4 = 3 < √11
    behind = candidate(EARLY, right_but(slice(10, 19), n=n), cost=1)  # 9 − 4 = 5 > √13
    assert taken([dear, level]) == (level if n == 500 else dear)
    assert taken([dear, behind]) == dear


def test_between_heads_on_the_same_layer_the_cheaper_is_not_preferred() -> None:
    best = candidate(FLAT, right_but(slice(0, 4), n=600), cost=9)
    level = candidate(LAST, right_but(slice(10, 15), n=600), cost=1)
    assert taken([best, level]) == best


def test_where_photos_come_in_groups_the_error_is_that_of_groups() -> None:
    """Ten views of a thing err together: what 600 photos would tell apart, 60 things do not."""
    cheap = candidate(EARLY, right_but(slice(20), n=600), cost=1)  # two things
    best = candidate(LAST, right_but(slice(20, 30), n=600), cost=9)  # and another one
    difference = best.correct.astype(float) - cheap.correct
    by_photo = difference.std() / np.sqrt(600)
    by_thing = difference.reshape(60, 10).mean(axis=1).std() / np.sqrt(60)
    assert by_photo < difference.mean() < by_thing
    assert taken([cheap, best]) == best
    assert taken([cheap, best], Photos.of(np.ones(600), np.arange(600) // 10)) == cheap


def test_with_class_weights_a_rare_class_counts_as_much_as_a_common_one() -> None:
    labels = np.repeat([0, 1], [540, 60])
    first = candidate(EARLY, right_but(slice(540, 588), n=600), cost=1)  # 48 of sixty rare ones
    second = candidate(LAST, right_but(slice(120), n=600), cost=1)  # 120 of 540 common ones
    assert taken([first, second]) == first
    balanced = np.where(labels == 0, 600 / 1080, 600 / 120)
    assert taken([first, second], Photos.of(balanced, None)) == second


@pytest.mark.parametrize("n", [300, 600])
def test_optimism_is_what_repeating_the_whole_comparison_shows(n: int) -> None:
    """Eight candidates, all right on 70 % of what there is: what the winner has above that is luck."""
    rng = np.random.default_rng(0)
    photos = Photos.of(np.ones(n), None)
    truth, estimates = [], []
    for _ in range(40):
        correct = rng.random((8, n)) < 0.7
        tried = [
            candidate(TapSet.of(Tap(f"layer{i}", "avg")), row, cost=8 - i) for i, row in enumerate(correct)
        ]
        truth.append(taken(tried).correct.mean() - 0.7)
        estimates.append(optimism(Rivals.of(tried, photos)))
    assert np.mean(truth) > 0.004
    assert np.mean(estimates) == pytest.approx(np.mean(truth), rel=0.5)
    assert optimism(Rivals.of(tried[:1], photos)) == 0.0
    clear = [*tried, candidate(LAST, np.ones(n, bool), cost=9)]
    assert optimism(Rivals.of(clear, photos)) < 0.001


@pytest.mark.parametrize("n", [60, 1200])
def test_optimism_has_the_choice_of_alpha_in_it(n: int) -> None:
    """One candidate at nine alphas, right on half of what there is whatever the alpha: the rest is luck."""
    rng = np.random.default_rng(0)
    photos = Photos.of(np.ones(n), None)
    truth, estimates = [], []
    for _ in range(40):
        right = rng.random((9, n)) < 0.5
        squared = np.where(right, 0.8, 1.2) * rng.uniform(0.9, 1.1, (9, n))  # errors follow what is right
        trials = Trials(right, squared)
        alone = replace(candidate(LAST, right[0], cost=1), trials=trials)
        rivals = Rivals.of([alone], photos)
        alpha = rivals.penalties[0].taken(np.ones(n, int), rivals.total)
        truth.append(right[alpha].mean() - 0.5)
        estimates.append(optimism(rivals))
    assert np.mean(truth) > 0.01
    assert np.mean(estimates) == pytest.approx(np.mean(truth), rel=0.5)
