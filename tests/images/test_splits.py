import numpy as np
import pytest

from lightprobe.errors import DataError, OptionError
from lightprobe.images import holdout_mask, sample_mask


def test_each_class_gives_its_share() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    mask = holdout_mask(labels, 0.2)
    assert [int(mask[labels == c].sum()) for c in range(3)] == [20, 10, 2]


def test_fractions_of_images_go_where_the_remainder_is_largest() -> None:
    labels = np.repeat([0, 1, 2], [7, 8, 9])  # a quarter: 1.75, 2, 2.25 of 6 in all
    mask = holdout_mask(labels, 0.25)
    assert [int(mask[labels == c].sum()) for c in range(3)] == [2, 2, 2]


def test_the_seed_decides_which_images() -> None:
    labels = np.arange(200) % 4
    masks = [holdout_mask(labels, 0.3, random_state=seed) for seed in (0, 0, 1)]
    assert (masks[0] == masks[1]).all()
    assert (masks[0] != masks[2]).any()


def test_every_image_is_as_likely_to_be_held_out() -> None:
    labels = np.array([0] * 10 + [1] * 10)
    often = np.mean([holdout_mask(labels, 0.3, random_state=seed) for seed in range(600)], axis=0)
    assert np.abs(often - 0.3).max() < 0.08  # four standard deviations


def test_a_class_always_keeps_a_training_image() -> None:
    labels = np.array([0, 1, 1, 2, 2, 2])
    mask = holdout_mask(labels, 0.9)
    assert all((~mask[labels == c]).any() for c in range(3))
    assert not mask[0]


def test_labels_need_not_be_consecutive() -> None:
    assert holdout_mask([5, 5, 5, 9, 9, 9], 0.34).sum() == 2


def test_groups_are_never_divided() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 600)
    labels = (groups % 3 + rng.integers(0, 2, 600)) % 3
    for seed in range(5):
        mask = holdout_mask(labels, 0.25, groups=groups.astype(str), random_state=seed)
        assert not set(groups[mask]) & set(groups[~mask])
        held = np.bincount(labels[mask])
        assert np.abs(held - 0.25 * np.bincount(labels)).max() < 20  # the size of two groups


def test_the_only_group_of_a_class_stays_for_training() -> None:
    labels = np.array([0] * 10 + [1] * 10)
    groups = np.array([0] * 10 + list(range(1, 11)))
    for seed in range(10):
        mask = holdout_mask(labels, 0.8, groups=groups, random_state=seed)
        assert not mask[:10].any()
        assert mask[10:].any()


def test_large_groups_are_not_favoured() -> None:
    groups = np.array([0] * 4 + list(range(1, 37)))
    labels = np.zeros(40, dtype=int)
    often = np.mean([holdout_mask(labels, 0.25, groups=groups, random_state=seed)[0] for seed in range(400)])
    assert often < 0.35


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_fraction_outside_zero_and_one_is_an_option_error(fraction: float) -> None:
    with pytest.raises(OptionError, match="give a number above 0 and below 1"):
        holdout_mask([0, 0, 1, 1], fraction)


def test_too_few_images_or_too_large_groups_are_a_data_error() -> None:
    with pytest.raises(DataError, match="leaves none to test on"):
        holdout_mask([0, 0, 1, 1], 0.01)
    with pytest.raises(DataError, match="leaves none to test on"):
        holdout_mask([0, 0, 0, 1, 1, 1], 0.3, groups=[0] * 6)


def test_a_sample_has_every_class_and_parts_no_group() -> None:
    rng = np.random.default_rng(4)
    labels = np.sort(rng.choice(5, size=2400, p=[0.5, 0.3, 0.15, 0.04, 0.01]))
    for groups in (None, np.arange(2400) // 4):
        sample = sample_mask(labels, 600, groups=groups)
        assert set(labels[sample]) == set(range(5))
        assert sample.mean() == pytest.approx(0.25, abs=0.02)
    assert all(len(set(part)) == 1 for part in sample.reshape(-1, 4))


def test_a_sample_by_keys_holds_the_same_images_in_any_order() -> None:
    rng = np.random.default_rng(5)
    labels, keys = rng.integers(0, 5, 2400), rng.permutation(2400).astype(np.uint64)
    order = rng.permutation(2400)
    for groups in (None, np.arange(2400) // 4):
        sample = sample_mask(labels, 600, groups=groups, keys=keys)
        assert set(labels[sample]) == set(range(5))
        assert sample.mean() == pytest.approx(0.25, abs=0.02)
        among = None if groups is None else groups[order]
        permuted = sample_mask(labels[order], 600, groups=among, keys=keys[order])
        np.testing.assert_array_equal(permuted, sample[order])
    assert all(len(set(part)) == 1 for part in sample.reshape(-1, 4))


def test_a_sample_of_more_than_half_is_all() -> None:
    labels = np.arange(100) % 2
    assert sample_mask(labels, 50).sum() == 50
    assert sample_mask(labels, 51).all()
    assert sample_mask(labels, 10, groups=np.zeros(100)).all()
