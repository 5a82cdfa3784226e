"""Leave-one-out and leave-group-out residuals in closed form.

Leaving the rows `g` out of a linear smoother and predicting them costs no refit: the residual that the
fit without `g` would make is a small linear system in quantities of the one fit on everything.

- Dual: r_g = P_gg⁻¹ c_g, where P is the inverse of the bordered kernel system with the direction of the
  constant taken out and c are the dual coefficients (Rifkin & Lippert 2007, "Notes on regularized least
  squares"; Cawley & Talbot 2004 for the intercept).
- Primal: r_g = (I − H_gg)⁻¹ e_g, where H is the hat matrix and e the residuals of the fit (Allen's PRESS).

Held fixed while rows are left out: the penalty in absolute terms and all weights.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Keys = NDArray[np.uint64]

BLOCK_ROWS = 1024


class Rows(Protocol):
    """A matrix whose rows can be had by index: an array, a memory map, or features made on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, m)."""

    def __getitem__(self, index: Indices, /) -> NDArray[Any]: ...


def identical_rows(X: Rows) -> Indices:
    """Find for every row the first one that equals it to the last bit.

    The same photo twice is one photo of double weight: leave-one-out must leave both out, or each is
    predicted by its copy.

    Parameters
    ----------
    X : (n, m), read in blocks of rows

    Returns
    -------
    (n,) indices of rows; a row that equals none before it has its own
    """
    n = X.shape[0]
    first = np.arange(n)
    seen: dict[int, list[int]] = {}
    for start in range(0, n, BLOCK_ROWS):
        block = X[np.arange(start, min(start + BLOCK_ROWS, n))]
        for i, row in enumerate(block, start):
            same_hash = seen.setdefault(hash(row.tobytes()), [])
            equal = next((j for j in same_hash if np.array_equal(X[np.array([j])][0], row)), None)
            if equal is None:
                same_hash.append(i)
            else:
                first[i] = equal
    return first


def row_keys(X: NDArray[np.generic], salt: int = 0) -> Keys:
    """Give every row of X (n, m) a number (n,) that follows from its values alone, not from its place.

    Samples of rows that are drawn by such keys hold the same rows however these are ordered. Another salt
    gives other keys.
    """
    key = salt.to_bytes(8, "little", signed=True)
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8, key=key).digest() for row in X)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def joined_groups(first: NDArray[np.generic], second: NDArray[np.generic]) -> Indices:
    """Join two groupings of the same rows: rows that share a group in either are in one group.

    Parameters
    ----------
    first, second : (n,)

    Returns
    -------
    (n,) numbers of the joint groups, from zero

    Raises
    ------
    DataError
        They differ in length.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _require_one_a_row(first, len(second))
    left = np.unique(first, return_inverse=True)[1]
    right = np.unique(second, return_inverse=True)[1]
    n_left, n_right = left.max() + 1, right.max() + 1
    shape = (n_left + n_right, n_left + n_right)
    links = coo_array((np.ones(len(left)), (left, n_left + right)), shape=shape)
    joint: Indices = connected_components(links, directed=False)[1][left]
    return joint


def group_members(groups: NDArray[np.generic] | None, n: int) -> list[Indices]:
    """Row indices of every group of two rows or more; other rows stand alone.

    Parameters
    ----------
    groups : (n,) or None
        Rows of equal value are left out together; None leaves out one at a time.

    Raises
    ------
    DataError
        All rows are of one group, so leaving it out leaves nothing to fit.
    """
    unit, counts = _units(groups, n)
    order = np.argsort(unit, kind="stable")
    ends = np.cumsum(counts)
    return [order[end - count : end] for end, count in zip(ends, counts, strict=True) if count > 1]


def group_units(groups: NDArray[np.generic] | None, n: int) -> Indices:
    """Give each of n rows the number of its group, from zero; without groups, each row is its own."""
    return _units(groups, n)[0]


def left_out_residuals(
    residuals: Floats,
    diagonal: Floats,
    members: list[Indices],
    blocks: Callable[[Indices], Floats],
) -> Floats:
    """Solve M_gg r_g = residuals_g for every group, where M has the given diagonal.

    Parameters
    ----------
    residuals : (n, c)
        Dual coefficients, or residuals of the primal fit.
    diagonal : (n,)
        The diagonal of M: of P in the dual, of I − H in the primal.
    members
        Groups of two rows or more, from `group_members`.
    blocks
        Gives M_gg, (len(g), len(g)), for a group's rows.

    Returns
    -------
    (n, c)
        The residuals y − f of every row by the fit that has not seen its group.
    """
    left_out = residuals / diagonal[:, None]
    for rows in members:
        left_out[rows] = np.linalg.solve(blocks(rows), residuals[rows])
    return left_out


@dataclass(frozen=True)
class Batch:
    """Some rows, and which positions among them make up the groups of two or more."""

    rows: Indices
    members: list[Indices]


def unparted_batches(
    n: int, groups: NDArray[np.generic] | None, size: int, keys: Keys | None = None
) -> list[Batch]:
    """Deal n rows into batches of at least `size` (the last may be smaller), none parting a group.

    Rows are dealt by their keys (n,), a group by its least, so that the first batches are a fair sample and
    hold the same rows however these are ordered. Without keys the order is random, the same at every call.
    """
    unit, counts = _units(groups, n)
    if keys is None:
        place = np.random.default_rng(0).permutation(len(counts))
    else:
        least = np.full(len(counts), np.iinfo(np.uint64).max, dtype=np.uint64)
        np.minimum.at(least, unit, keys)
        place = np.argsort(np.argsort(least, kind="stable"))
    order = np.argsort(place[unit], kind="stable")
    ends = np.cumsum(counts[np.argsort(place)])
    batches = []
    start = 0
    while start < n:
        stop = int(ends[np.searchsorted(ends, min(start + size, n))])
        rows = order[start:stop]
        changes = np.flatnonzero(np.diff(unit[rows])) + 1
        runs = np.split(np.arange(len(rows)), changes)
        batches.append(Batch(rows, [run for run in runs if len(run) > 1]))
        start = stop
    return batches


def _units(groups: NDArray[np.generic] | None, n: int) -> tuple[Indices, Indices]:
    """Give each row the number of its group, from zero, and each group its size."""
    if groups is None:
        return np.arange(n), np.ones(n, dtype=np.intp)
    _require_one_a_row(groups, n)
    _, unit, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(counts) == 1:
        raise DataError("All rows are of one group, so none can be left out; at least two groups are needed.")
    return unit, counts


def _require_one_a_row(groups: NDArray[np.generic], n: int) -> None:
    if len(groups) != n:
        raise DataError(f"groups has {len(groups)} entries for {n} rows; give one a row.")
