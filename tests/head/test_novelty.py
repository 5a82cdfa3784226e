import numpy as np
import pytest

from lightprobe.errors import OptionError
from lightprobe.head import Novelty, OpticalRidge, Scorer, check_rate, is_unknown


def clusters(n: int, places: int, seed: int = 0, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around the corners `first`, `first` + 1, ... of a cube."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, places, n)
    X = 0.15 * rng.normal(size=(n, 12)).astype(np.float32)
    X[np.arange(n), first + y] += 1
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


@pytest.mark.parametrize("kernel", ["optical", "linear"])
def test_what_was_never_seen_is_more_novel_than_what_was(kernel: str) -> None:
    X, y = clusters(300, 3)
    head = OpticalRidge(kernel=kernel, device="cpu").fit(X, y)
    novelty = Novelty.of(head.fitted_)
    known, other = clusters(200, 3, seed=1)[0], clusters(200, 3, seed=2, first=6)[0]
    of_known = Scorer(head.fitted_, novelty)(known).novelty
    of_other = Scorer(head.fitted_, novelty)(other).novelty
    assert (of_other[:, None] > of_known).mean() > 0.95
    assert ((of_known >= 0) & (of_known <= 1)).all()


def test_as_many_known_rows_are_rejected_as_were_asked_for() -> None:
    X, y = clusters(600, 3)
    head = OpticalRidge(device="cpu").fit(X[:400], y[:400])
    novelty = Novelty.of(head.fitted_)
    new = clusters(2000, 3, seed=3)[0]
    of_new = Scorer(head.fitted_, novelty)(new).novelty
    for rate in (0.05, 0.2):
        assert (of_new >= 1 - rate).mean() == pytest.approx(rate, abs=0.04)


def test_rows_of_one_group_are_no_neighbours_of_each_other() -> None:
    X, y = clusters(60, 3)
    twice, both, groups = np.vstack([X, X + 1e-4]), np.hstack([y, y]), np.tile(np.arange(60), 2)
    head = OpticalRidge(device="cpu").fit(twice, both, groups=groups)
    alone, together = Novelty.of(head.fitted_), Novelty.of(head.fitted_, groups)
    assert together.centre[1] < alone.centre[1]


def test_unknown_is_what_is_novel_beyond_the_rate() -> None:
    assert is_unknown(0.96, 0.05)
    assert not is_unknown(0.94, 0.05)
    assert not is_unknown(1.0, None)
    assert not is_unknown(None, 0.05)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 2.0])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(OptionError, match="above 0 and below 1"):
        check_rate(rate)
