"""Hold some images out, or pick a sample: stratified, by whole groups where there are any, seeded."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightprobe.errors import DataError, OptionError


def holdout_mask(
    labels: ArrayLike,
    fraction: float,
    *,
    groups: ArrayLike | None = None,
    keys: NDArray[np.uint64] | None = None,
    random_state: int = 0,
) -> NDArray[np.bool_]:
    """Return a mask (n,) that is True for the images to hold out.

    Without groups, class c with n_c images gives fraction · n_c of them, rounded such that the whole
    comes to round(fraction · n) (largest remainders first). With groups, whole groups are gone through
    in random order, and one is held out if that brings the classes' counts nearer to fraction · n_c, in
    the sum of squares. Every class keeps at least one image for training.
    With keys (n,), images of the smallest are held out, or groups are gone through by their smallest, instead
    of at random.

    Raises OptionError for a fraction outside (0, 1) and DataError if nothing can be held out.
    """
    y = np.asarray(labels)
    if not 0 < fraction < 1:
        raise OptionError(f"the test fraction is {fraction}: give a number above 0 and below 1, such as 0.2.")
    codes = np.unique(y, return_inverse=True)[1].reshape(-1)
    rng = np.random.default_rng(random_state)
    if groups is None:
        mask = _by_image(codes, fraction, keys, rng)
    else:
        among = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
        mask = _by_group(codes, among, fraction, keys, rng)
    if not mask.any():
        raise DataError(
            f"holding out {fraction:g} of {len(y)} images leaves none to test on: "
            "give a larger fraction, more photos or smaller groups."
        )
    return mask


def sample_mask(
    labels: ArrayLike,
    size: int,
    *,
    groups: ArrayLike | None = None,
    keys: NDArray[np.uint64] | None = None,
    random_state: int = 0,
) -> NDArray[np.bool_]:
    """Return a mask (n,) of about `size` images; of all, where that would be more than half of them.

    The others are what `holdout_mask` holds out: every class has an image in the sample, and no group is
    parted. With keys (n,), numbers that follow the images wherever they stand, those of the largest keys are
    taken, and the sample is the same in any order; without, it is drawn at random.
    """
    n = len(np.asarray(labels))
    everything = np.ones(n, dtype=bool)
    if 2 * size > n:
        return everything
    try:
        return ~holdout_mask(labels, 1 - size / n, groups=groups, keys=keys, random_state=random_state)
    except DataError:  # nothing can be left out without parting a group
        return everything


def _by_image(
    codes: NDArray[np.intp], fraction: float, keys: NDArray[np.uint64] | None, rng: np.random.Generator
) -> NDArray[np.bool_]:
    counts = np.bincount(codes)
    wanted = fraction * counts
    held = np.minimum(np.floor(wanted), counts - 1).astype(np.int64)
    remainders = np.where(held < counts - 1, wanted - held, -1.0)
    short = round(fraction * len(codes)) - int(held.sum())
    for label in np.argsort(-remainders, kind="stable")[: max(short, 0)]:
        held[label] += remainders[label] > 0
    mask = np.zeros(len(codes), dtype=bool)
    for label, n_held in enumerate(held):
        members = np.flatnonzero(codes == label)
        dealt = (
            rng.permutation(members) if keys is None else members[np.argsort(keys[members], kind="stable")]
        )
        mask[dealt[:n_held]] = True
    return mask


def _by_group(
    codes: NDArray[np.intp],
    groups: NDArray[np.intp],
    fraction: float,
    keys: NDArray[np.uint64] | None,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    table = np.zeros((groups.max() + 1, codes.max() + 1), dtype=np.int64)
    np.add.at(table, (groups, codes), 1)
    counts = table.sum(axis=0)
    missing = fraction * counts
    left = counts.copy()
    taken = np.zeros(len(table), dtype=bool)
    order = rng.permutation(len(table))
    if keys is not None:
        least = np.full(len(table), np.iinfo(np.uint64).max, dtype=np.uint64)
        np.minimum.at(least, groups, keys)
        order = np.argsort(least, kind="stable")
    for group in order:
        row = table[group]
        nearer = (row * (row - 2 * missing)).sum() < 0
        if nearer and ((left > row) | (row == 0)).all():
            taken[group] = True
            missing = missing - row
            left -= row
    return np.asarray(taken[groups])
