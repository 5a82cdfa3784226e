import numpy as np
import pytest

from lightprobe.errors import OptionError
from lightprobe.head import Novelty, OpticalRidge, Scorer, check_rate, is_unknown
from lightprobe.ridge import identical_rows


def clusters(n: int, places: int, seed: int = 0, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around the corners `first`, `first` + 1, ... of a cube."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, places, n)
    X = 0.15 * rng.normal(size=(n, 12)).astype(np.float32)
    X[np.arange(n), first + y] += 1
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def novelty_of(head: OpticalRidge, X: np.ndarray, y: np.ndarray) -> Novelty:
    return Novelty.of(head.fitted_, y, np.arange(len(y)), X)


@pytest.mark.parametrize("kernel", ["optical", "linear"])
def test_what_was_never_seen_is_more_novel_than_what_was(kernel: str) -> None:
    X, y = clusters(300, 3)
    head = OpticalRidge(kernel=kernel, device="cpu").fit(X, y)
    novelty = novelty_of(head, X, y)
    known, other = clusters(200, 3, seed=1)[0], clusters(200, 3, seed=2, first=6)[0]
    of_known = Scorer(head.fitted_, novelty, X)(known).novelty
    of_other = Scorer(head.fitted_, novelty, X)(other).novelty
    assert (of_other[:, None] > of_known).mean() > 0.95
    assert ((of_known >= 0) & (of_known <= 1)).all()


def test_as_many_known_rows_are_rejected_as_were_asked_for() -> None:
    X, y = clusters(600, 3)
    head = OpticalRidge(device="cpu").fit(X[:400], y[:400])
    novelty = novelty_of(head, X[:400], y[:400])
    new = clusters(2000, 3, seed=3)[0]
    of_new = Scorer(head.fitted_, novelty, X)(new).novelty
    for rate in (0.05, 0.2):
        assert (of_new >= 1 - rate).mean() == pytest.approx(rate, abs=0.04)


def test_rows_of_one_group_are_no_neighbours_of_each_other() -> None:
    X, y = clusters(60, 3)
    twice, both, groups = np.vstack([X, X + 1e-4]), np.hstack([y, y]), np.tile(np.arange(60), 2)
    head = OpticalRidge(device="cpu").fit(twice, both, groups=groups)
    alone, together = (Novelty.of(head.fitted_, both, units, twice) for units in (np.arange(120), groups))
    assert together.centre[1] < alone.centre[1]


def test_a_rate_is_kept_of_few_rows_too() -> None:
    # Of 20 known rows and one more, alike, each is the most novel as often: one in 21, less than 5 %.
    X, y = clusters(20, 2)
    head = OpticalRidge(device="cpu").fit(X, y)
    novelty = novelty_of(head, X, y)
    raised = novelty.reference[[-1, -2]] + 1e-9
    terms = novelty.centre[0] - novelty.spread[0] * raised / novelty.weight[0]
    cosines = np.full((2, 5), novelty.centre[1])
    ranks = novelty.of_terms(terms[:, None], cosines)
    np.testing.assert_allclose(ranks, [20 / 21, 19 / 21])
    assert [is_unknown(rank, 0.05) for rank in ranks] == [True, False]


def test_scores_weigh_as_much_as_they_tell_right_answers_from_wrong_ones() -> None:
    X, y = clusters(300, 3)
    head = OpticalRidge(device="cpu").fit(X, np.where(np.arange(300) % 3 == 0, (y + 1) % 3, y))
    scores, labels = head.loo_scores_, np.where(np.arange(300) % 3 == 0, (y + 1) % 3, y)
    right = scores.argmax(axis=1) == labels
    pairs = scores.max(axis=1)[right][:, None] - scores.max(axis=1)[~right]
    expected = max(0.0, np.sign(pairs).mean())
    assert Novelty.of(head.fitted_, labels, np.arange(300), X).weight == pytest.approx([expected, 1.0])


def test_without_rows_scores_alone_count() -> None:
    X, y = clusters(100, 3)
    head = OpticalRidge(kernel="linear", device="cpu").fit(X, y)
    novelty = Novelty.of(head.fitted_, y, np.arange(100))
    assert not novelty.by_neighbours
    alone = Scorer(head.fitted_, novelty)(X).novelty
    np.testing.assert_array_equal(alone, Scorer(head.fitted_, novelty, X)(X).novelty)


def test_unknown_is_what_is_novel_beyond_the_rate() -> None:
    assert is_unknown(0.96, 0.05)
    assert not is_unknown(0.94, 0.05)
    assert not is_unknown(1.0, None)
    assert not is_unknown(None, 0.05)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 2.0])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(OptionError, match="above 0 and below 1"):
        check_rate(rate)


@pytest.mark.parametrize("kernel", ["optical", "linear"])
def test_known_rows_are_not_novel_where_every_training_row_stands_six_times(kernel: str) -> None:
    X, y = clusters(100, 3)
    six, labels = np.tile(X, (6, 1)), np.tile(y, 6)
    head = OpticalRidge(kernel=kernel, device="cpu").fit(six, labels)
    novelty = Novelty.of(head.fitted_, labels, identical_rows(six), six)
    fresh = clusters(1000, 3, seed=5)[0]
    assert (Scorer(head.fitted_, novelty, six)(fresh).novelty >= 0.95).mean() < 0.12
