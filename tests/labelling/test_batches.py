import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.labelling import SAME_SCENE, choose_spread, choose_unsure

Floats = NDArray[np.float64]


def scenes(n: int, each: int, seed: int = 0, noise: float = 0.01) -> Floats:
    """Draw `each` photos of n scenes, one scene after the other; photos of one differ by noise alone."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(n, 32)), each, axis=0)
    return np.asarray(centres + noise * rng.normal(size=centres.shape))


def cosines(X: Floats) -> Floats:
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


def passed_one_by_one(margins: Floats, X: Floats, n: int) -> list[int]:
    """The rule as its module states it, on the full matrix of cosines."""
    C = cosines(X)
    limit = SAME_SCENE * (1 - C).mean()
    chosen: list[int] = []
    for row in np.argsort(margins, kind="stable"):
        if len(chosen) < n and all(1 - C[row, other] >= limit for other in chosen):
            chosen.append(int(row))
    return chosen


@pytest.mark.parametrize("n", [1, 7, 40])
def test_the_least_sure_come_first_and_none_repeats_another(n: int) -> None:
    X = np.concatenate([scenes(20, 15), np.random.default_rng(1).normal(size=(300, 32))])
    margins = np.random.default_rng(2).uniform(size=len(X))
    batch = choose_unsure(margins, X, n)
    assert batch.rows.tolist() == passed_one_by_one(margins, X, n)
    assert (np.diff(margins[batch.rows]) >= 0).all()


def test_where_no_two_rows_are_alike_it_is_margin_sampling() -> None:
    X, margins = np.eye(50), np.random.default_rng(0).uniform(size=50)
    assert choose_unsure(margins, X, 20).rows.tolist() == np.argsort(margins)[:20].tolist()


def test_of_each_scene_there_is_one_photo_that_stands_for_those_passed_over() -> None:
    X = scenes(6, 10)
    batch = choose_unsure(np.random.default_rng(0).uniform(size=60), X, 30)
    assert sorted((batch.rows // 10).tolist()) == [0, 1, 2, 3, 4, 5]
    assert batch.stand_for.tolist() == [10] * 6
    assert batch.n_repeated == 54
    C = cosines(X[batch.rows])
    assert np.isnan(batch.nearest[0])
    np.testing.assert_allclose(batch.nearest[1:], [C[i, :i].max() for i in range(1, 6)], atol=1e-6)


def test_no_row_is_passed_over_after_the_last_place_is_taken() -> None:
    X = scenes(6, 10)
    margins = np.arange(60.0)
    batch = choose_unsure(margins, X, 3)
    assert batch.rows.tolist() == [0, 10, 20]
    assert batch.n_repeated == 18
    assert batch.stand_for.tolist() == [10, 10, 1]


def test_what_repeats_does_not_depend_on_how_far_apart_features_lie() -> None:
    """A constant added to all features draws them together, and the same rows repeat each other."""
    X = scenes(30, 4)
    margins = np.random.default_rng(0).uniform(size=len(X))
    near = X + 40
    assert cosines(near).min() > 0.99
    assert len(choose_unsure(margins, near, 120).rows) == 30


@pytest.mark.parametrize("X", [np.ones((9, 4)), np.zeros((9, 4))], ids=["ones", "zeros"])
def test_rows_that_are_all_alike_leave_at_least_one(X: Floats) -> None:
    assert choose_unsure(np.arange(9.0), X, 5).rows[0] == 0
    batch = choose_spread(X, 5)
    assert (batch.rows.tolist(), batch.stand_for.tolist()) == ([0], [9])


def test_without_a_model_every_scene_has_a_photo_and_the_largest_comes_first() -> None:
    sizes = [30, 5, 12, 2]
    rng = np.random.default_rng(3)
    centres = np.repeat(rng.normal(size=(4, 32)), sizes, axis=0)
    X = centres + 0.01 * rng.normal(size=centres.shape)
    scene = np.repeat(np.arange(4), sizes)
    batch = choose_spread(X, 4, seed=1)
    assert scene[batch.rows].tolist() == [0, 2, 1, 3]
    assert batch.stand_for.tolist() == [30, 12, 5, 2]
    for row in batch.rows:  # the nearest to the centre
        members = np.flatnonzero(scene == scene[row])
        unit = X[members] / np.linalg.norm(X[members], axis=1, keepdims=True)
        assert members[np.linalg.norm(unit - unit.mean(axis=0), axis=1).argmin()] == row


def test_a_photo_that_is_there_many_times_is_one_that_stands_for_all() -> None:
    X = np.repeat(np.eye(5), [1, 1, 6, 1, 1], axis=0)
    batch = choose_spread(X, 9)
    assert sorted(batch.rows.tolist()) == [0, 1, 2, 8, 9]
    assert (batch.rows[0], batch.stand_for[0]) == (2, 6)


def test_the_seed_decides_the_first_centres_and_nothing_else() -> None:
    X = np.random.default_rng(0).normal(size=(200, 16))
    again = [choose_spread(X, 10, seed=4).rows.tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_copies_draw_a_centre_as_the_many_photos_that_they_are() -> None:
    degrees = np.repeat([0, 10, 14, 180], [9, 1, 1, 1])  # without the copies, 10 is nearest to 0, 10 and 14
    X = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1)
    assert degrees[choose_spread(X, 2).rows].tolist() == [0, 180]
