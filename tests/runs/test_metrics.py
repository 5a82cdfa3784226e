import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import precision_score, recall_score

from lightprobe.runs.metrics import confusion_matrix, evaluation, wilson_interval


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (20, 20), (500, 550), (7, 9)])
def test_the_interval_holds_the_proportions_that_could_have_given_the_count(successes: int, n: int) -> None:
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1 + 1e-12
    for p in (low, high):
        if 0 < p < 1:
            # at the ends, the count lies 1.96 standard deviations from its mean: Wilson's definition
            distance = abs(successes - n * p) / binom.std(n, p)
            assert distance == pytest.approx(1.96, abs=1e-3)


def test_counts_and_ratios_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    probabilities = rng.dirichlet(np.ones(4), 200)
    predicted = probabilities.argmax(axis=1)
    truth = sklearn_confusion(labels, predicted, labels=range(4))
    np.testing.assert_array_equal(confusion_matrix(labels, predicted, 4), truth)
    summary = evaluation(labels, probabilities, ["a", "b", "c", "d"])
    assert summary["accuracy"] == pytest.approx((labels == predicted).mean())
    rows = summary["per_class"]
    assert isinstance(rows, list)
    recalls = recall_score(labels, predicted, labels=range(4), average=None, zero_division=0)
    precisions = precision_score(labels, predicted, labels=range(4), average=None)
    np.testing.assert_allclose([row["precision"] for row in rows], precisions)
    np.testing.assert_allclose([row["recall"] for row in rows[:3]], recalls[:3])
    assert summary["balanced_accuracy"] == pytest.approx(np.mean(recalls[:3]))
    assert rows[3]["recall"] is None, "a class without photos has no recall"


def test_paired_intervals_hold_the_true_difference_19_times_of_20() -> None:
    from lightprobe.runs.metrics import paired_interval

    rng = np.random.default_rng(0)
    held = []
    for _ in range(2000):
        hard = rng.uniform(size=300) < 0.2  # photos on which both are likely wrong
        first, second = (rng.uniform(size=300) < np.where(hard, 0.3, p) for p in (0.95, 0.90))
        difference, (low, high) = paired_interval(first, second)
        assert low <= difference <= high or abs(difference) < 0.02
        held.append(low <= 0.8 * 0.05 <= high)
    assert 0.935 < np.mean(held) < 0.97
    same = rng.uniform(size=50) < 0.5
    assert paired_interval(same, same)[1][0] < 0 < paired_interval(same, same)[1][1]
