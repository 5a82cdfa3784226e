import numpy as np
import pytest

from lightprobe.backbones import Tap
from lightprobe.features import TapSet
from lightprobe.selection import Candidate, Choice, Photos, optimism, paired_gain
from lightprobe.selection.search import _contenders


def test_a_paired_gain_is_the_mean_difference_with_its_standard_error() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.random(500) < 0.9, rng.random(500) < 0.85
    difference = ours.astype(float) - theirs.astype(float)
    gain, error = paired_gain(ours, theirs)
    assert gain == pytest.approx(difference.mean())
    assert error == pytest.approx(difference.std() / np.sqrt(500))


def test_optimism_is_what_repeating_the_whole_comparison_shows() -> None:
    """Eight candidates, all right on 70 % of what there is: what the winner has above that is luck."""
    rng = np.random.default_rng(0)
    n, costs = 300, np.arange(8)[::-1]
    ones, units = np.ones(n), np.arange(n)
    truth, estimates = [], []
    for _ in range(60):
        correct = rng.random((8, n)) < 0.7
        tried = [
            Candidate(
                Choice(TapSet.of(Tap("layer", "avg")), "none", str(i)),
                loo_accuracy=row.mean(),
                cost=int(cost),
                correct=row,
            )
            for i, (row, cost) in enumerate(zip(correct, costs, strict=True))
        ]
        winner = min(_contenders(tried, Photos(ones, units)), key=lambda c: c.cost)
        truth.append(winner.correct.mean() - 0.7)
        estimates.append(optimism(correct, costs.tolist(), ones, units))
    assert np.mean(truth) > 0.004
    assert np.mean(estimates) == pytest.approx(np.mean(truth), rel=0.5)
    assert optimism(correct[:1], [1], ones, units) == 0.0
    clear = np.vstack([np.ones(n, bool), correct])
    assert optimism(clear, range(9), ones, units) < 0.001
