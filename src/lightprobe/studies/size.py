"""Accuracy against the number of training photos: nested stratified subsets, several draws.

With groups, whole groups are drawn, and accuracy is also taken against the number of photos of each group:
how many views of a thing are worth having.
"""

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError
from lightprobe.studies.arms import arms, learn
from lightprobe.studies.context import Look, Row, StudyContext, smaller
from lightprobe.studies.study import Configuration, Options, Study

SIZES = 8  # from the whole down, each 1/√2 … of the one before
FACTOR = 0.6
LEAST_A_CLASS = 3  # photos or groups
MOST_VIEWS = 8


def configurations(bench: StudyContext, options: Options) -> list[Configuration]:
    """List shares of the photos, the whole once; with groups, also numbers of photos of each."""
    images = bench.images.training
    units = len(images) if images.groups is None else len(np.unique(images.groups))
    least = LEAST_A_CLASS * len(images.classes) / units
    shares = [round(FACTOR**step, 4) for step in range(SIZES)]
    wanted: list[Configuration] = [
        {"share": share, "draw": draw}
        for share in shares
        if share == 1 or share >= least  # of very few photos there is no part to draw
        for draw in range(1 if share == 1 else options.draws)
    ]
    wanted += [{**drawn, **arm} for arm in arms(bench) for drawn in wanted]
    if images.groups is not None:
        most = int(np.unique(images.groups, return_counts=True)[1].max())
        views = [n for n in range(1, most) if n <= MOST_VIEWS]
        wanted += [{"views": n, "draw": draw} for n in views for draw in range(options.draws)]
        wanted.append({"views": most, "draw": 0})
    return wanted


def measure(bench: StudyContext, configuration: Configuration) -> Row:
    """Fit on a subset; test photos are the same for all."""
    backbone = bench.backbone()
    choice = bench.choice(backbone)
    whole = bench.look(backbone, choice.taps.taps)
    seed = [bench.runtime.seed, configuration["draw"]]
    if "share" in configuration:
        which = nested_subset(whole, configuration["share"], seed)
    else:
        which = views_of_each(whole, configuration["views"], seed)
    if "method" in configuration:
        given = bench.images.training.select(whole.train.kept[which])
        return learn(bench, configuration["method"], given)
    return bench.run(smaller(whole, which), choice)


def nested_subset(look: Look, share: float, seed: list[int]) -> NDArray[np.intp]:
    """Draw a share of each class's photos, or groups; a smaller share of the same seed is inside a larger.

    Returns
    -------
    (k,) row numbers, ascending
    """
    rng = np.random.default_rng(seed)
    units = _units(look)
    first = np.unique(units, return_index=True)[1]
    class_of = look.labels[first]  # a group counts as of the class of its first photo
    taken = np.zeros(len(first), bool)
    for label in np.unique(class_of):
        members = rng.permutation(np.flatnonzero(class_of == label))
        taken[members[: max(1, round(share * len(members)))]] = True
    return np.flatnonzero(taken[units])


def views_of_each(look: Look, views: int, seed: list[int]) -> NDArray[np.intp]:
    """Draw up to so many photos of every group; fewer views of the same seed are among more.

    Returns
    -------
    (k,) row numbers, ascending
    """
    if look.groups is None:
        raise DataError("Views of a thing can be counted only where photos have groups: give --group.")
    order = np.random.default_rng(seed).permutation(len(look.labels))
    units = _units(look)
    by_group = order[np.argsort(units[order], kind="stable")]
    starts = np.unique(units[by_group], return_index=True)[1]
    rank = np.arange(len(by_group)) - np.repeat(starts, np.diff([*starts, len(by_group)]))
    return np.sort(by_group[rank < views])


def _units(look: Look) -> NDArray[np.intp]:
    if look.groups is None:
        return np.arange(len(look.labels))
    return np.unique(look.groups, return_inverse=True)[1]


STUDY = Study(
    "accuracy against the number of training photos", configurations, measure, uses=("draws", "methods")
)
