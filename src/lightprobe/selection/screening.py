"""Leave out early what a sample of the photos shows to be far behind.

A candidate fitted to a quarter of n photos costs a sixteenth of the inner products and a sixty-fourth of the
solution. One that is behind the best by three standard errors there, and by two points, is not fitted to
all photos: four times as many rarely turn that. (A race, as in Maron and Moore 1994, "Hoeffding races", with
one stage and a paired error.)
"""

from collections.abc import Container, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.bars import tqdm
from lightprobe.errors import DataError
from lightprobe.features import TapSet
from lightprobe.head import HeadOptions
from lightprobe.images import sample_mask
from lightprobe.ridge import Keys
from lightprobe.selection.candidates import Candidate, Choice
from lightprobe.selection.fit_candidates import fit_each
from lightprobe.selection.rule import Photos

LEAST_ROWS: Final = 512  # a sample is no smaller
ERRORS, POINTS = 3.0, 0.02


def screen(
    features: Mapping[TapSet, NDArray[np.float16]],
    labels: NDArray[np.int64],
    wanted: Sequence[Choice],
    options: HeadOptions,
    *,
    groups: NDArray[np.generic] | None,
    keys: Keys | None = None,
    never_screened: Container[TapSet],
    seconds: dict[str, float],
    progress: bool,
) -> tuple[list[Choice], list[Candidate]]:
    """Part the choices into those to fit to all photos, and those that are behind.

    Parameters
    ----------
    features, labels, wanted, options, groups, keys, progress
        As for `select`.
    never_screened : container of TapSet
        The best choice among these is never left out.
    seconds : dict of str to float
        What fitting takes is added here, see `fit_each`.
    """
    rows = sample_mask(labels, max(LEAST_ROWS, len(labels) // 4), groups=groups, keys=keys)
    if len(wanted) < 2 or rows.all():
        return list(wanted), []
    y, among = labels[rows], None if groups is None else groups[rows]
    named = None if keys is None else keys[rows]
    tried: list[Candidate] = []
    weights = np.ones(len(y))
    fits = fit_each(features, y, wanted, options, among, seconds, rows, named)
    try:
        for choice, fitted, _ in tqdm(
            fits, f"Comparing on {len(y)} photos", len(wanted), unit="candidate", disable=not progress
        ):
            if fitted is not None:
                tried.append(Candidate.scored(choice, fitted, y))
                weights = fitted.class_weight[y]
    except DataError:  # the sample is too few groups, say
        return list(wanted), []
    if not tried:
        return list(wanted), []
    photos = Photos.of(weights, among)
    best = max(tried, key=photos.accuracy)
    best_of_these = max(
        (c for c in tried if c.choice.taps in never_screened), key=photos.accuracy, default=best
    )
    left_out = []
    for candidate in tried:
        lost, error = photos.behind(candidate, best)
        if lost > max(ERRORS * error, POINTS) and candidate is not best_of_these:
            reason = f"{100 * lost:.1f} points behind on {len(y)} photos"
            left_out.append(Candidate(candidate.choice, dropped=reason))
    gone = {candidate.choice for candidate in left_out}
    return [choice for choice in wanted if choice not in gone], left_out
