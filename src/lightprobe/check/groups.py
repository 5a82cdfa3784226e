"""Photos that belong together: what leave-one-out overstates when it leaves them out one by one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.ridge import joined_groups

# The number, or letter, of a view behind the name of what is seen: `cup-3`, `cup_b`, `cup (2)`.
VIEW: Final = re.compile(r"[-_ .]+\(?(\d{1,4}|[a-z])\)?$", re.IGNORECASE)
LARGEST_SHARE: Final = 0.5  # of a class in one guessed group: beyond it, the stem is the class's own name


@dataclass(frozen=True)
class GroupFigures:
    """Accuracy when whole groups are left out, beside plain leave-one-out.

    Attributes
    ----------
    source : str
        Where the groups come from: `given`, or a guess from `file names` or `near-duplicates` or both.
    n_groups : int
    loo_accuracy, group_accuracy : float
    """

    source: str
    n_groups: int
    loo_accuracy: float
    group_accuracy: float

    @property
    def leak(self) -> float:
        """What plain leave-one-out overstates, in points (hundredths)."""
        return 100 * (self.loo_accuracy - self.group_accuracy)


def guess_from_names(paths: Sequence[str], labels: NDArray[np.int64]) -> NDArray[np.intp] | None:
    """Guess groups from file names without their last number, within folders; None if that says nothing."""
    stems = [
        f"{path.parent}/{VIEW.sub('', path.stem)}" if VIEW.search(path.stem) else str(path)
        for path in map(PurePosixPath, paths)
    ]
    groups: NDArray[np.intp] = np.unique(stems, return_inverse=True)[1]
    sizes = np.bincount(groups)
    if sizes.max() < 2:
        return None
    of_class = np.bincount(labels)[labels]
    return groups if (sizes[groups] <= np.maximum(1, LARGEST_SHARE * of_class)).all() else None


def guess_groups(
    paths: Sequence[str], labels: NDArray[np.int64], clusters: NDArray[np.intp]
) -> tuple[NDArray[np.intp], str] | None:
    """Join what file names and near-duplicates (n,) say; None if both leave every photo by itself."""
    sources = []
    groups: NDArray[np.intp] = clusters
    if len(np.unique(clusters)) < len(clusters):
        sources.append("near-duplicates")
    named = guess_from_names(paths, labels)
    if named is not None:
        groups = joined_groups(named, clusters)
        sources.insert(0, "file names")
    if not sources or len(np.unique(groups)) < 2:
        return None
    return groups, " and ".join(sources)


def group_figures(
    plain: NDArray[np.float64],
    grouped: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.intp],
    source: str,
) -> GroupFigures:
    """Compare leaving out photos with leaving out groups.

    Parameters
    ----------
    plain, grouped : (n, c)
        Scores of photos by the fit that has not seen them, or not their group.
    labels, groups : (n,)
    source : str
    """
    alone, together = (float((scores.argmax(axis=1) == labels).mean()) for scores in (plain, grouped))
    return GroupFigures(source, len(np.unique(groups)), alone, together)
