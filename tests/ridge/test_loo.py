"""Who is left out together."""

import numpy as np
import pytest

from lightprobe.errors import DataError
from lightprobe.ridge.loo import group_members, identical_rows, joined_groups, row_keys, unparted_batches


def test_copies_point_to_the_first_of_their_kind() -> None:
    X = np.array([[1, 2], [3, 4], [1, 2], [1, 3], [3, 4], [1, 2]], dtype=np.float16)
    np.testing.assert_array_equal(identical_rows(X), [0, 1, 0, 3, 1, 0])


def test_rows_that_share_a_hash_are_still_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightprobe.ridge.loo.hash", lambda _: 0, raising=False)
    np.testing.assert_array_equal(identical_rows(np.array([[1], [2], [1]])), [0, 1, 0])


def test_group_members_lists_groups_of_two_or_more() -> None:
    members = group_members(np.array(["b", "a", "b", "c", "a", "b"]), 6)
    assert [rows.tolist() for rows in members] == [[1, 4], [0, 2, 5]]
    assert group_members(None, 4) == []
    with pytest.raises(DataError, match="at least two groups"):
        group_members(np.zeros(4), 4)


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_batches_cover_every_row_once_and_part_no_group(size: int) -> None:
    groups = np.random.default_rng(0).integers(0, 12, 40)
    batches = unparted_batches(40, groups, size)
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(40))
    assert all(len(batch.rows) >= size for batch in batches[:-1])
    seen = [set(groups[batch.rows].tolist()) for batch in batches]
    assert sum(map(len, seen)) == len(set().union(*seen))
    for batch in batches:
        for positions in batch.members:
            rows = batch.rows[positions]
            assert len(set(groups[rows])) == 1
            assert len(rows) == (groups == groups[rows[0]]).sum() > 1


def test_the_first_batch_is_a_sample_and_not_the_first_rows() -> None:
    first = unparted_batches(10_000, None, 1000)[0]
    assert abs(first.rows.mean() - 5000) < 500
    assert first.members == []
    np.testing.assert_array_equal(first.rows, unparted_batches(10_000, None, 1000)[0].rows)


def test_batches_by_keys_hold_the_same_rows_in_any_order() -> None:
    rng = np.random.default_rng(0)
    X, order = rng.normal(size=(900, 3)), rng.permutation(900)
    for groups in (None, rng.integers(0, 400, 900)):
        batches = unparted_batches(900, groups, 200, row_keys(X))
        among = None if groups is None else groups[order]
        permuted = unparted_batches(900, among, 200, row_keys(X[order]))
        assert [set(order[b.rows]) for b in permuted] == [set(b.rows) for b in batches]
    assert abs(batches[0].rows.mean() - 450) < 75
    assert not np.isin(row_keys(X), row_keys(X, salt=1)).any()


def test_joined_groups_chain_rows_that_share_either_grouping() -> None:
    first = np.array(["a", "a", "b", "c", "d", "d"])
    second = np.array([0, 1, 1, 2, 3, 4])
    joint = joined_groups(first, second)
    np.testing.assert_array_equal(
        joint[:, None] == joint, np.eye(3)[[0, 0, 0, 1, 2, 2]] @ np.eye(3)[[0, 0, 0, 1, 2, 2]].T
    )
    with pytest.raises(DataError, match="one a row"):
        joined_groups(first, second[:3])
