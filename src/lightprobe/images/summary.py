"""What data was read as, in a few lines: said before anything is done with it."""

import logging
from collections import Counter
from collections.abc import Iterator

import numpy as np

from lightprobe.images.imageset import ImageSet, listed

# Said by whoever opens data for people; the command line shows it.
logger = logging.getLogger("lightprobe.data")

NAMED = 10  # classes that are named


def announce(images: ImageSet, name: str) -> None:
    """Log what data was read as, where somebody listens."""
    if logger.isEnabledFor(logging.INFO):
        for line in summary_lines(images, name):
            logger.info("%s", line)


def summary_lines(images: ImageSet, name: str) -> Iterator[str]:
    """Say how many photos of which classes there are, their splits and groups, and what was left out."""
    counts = np.bincount(images.labels[images.labels >= 0], minlength=len(images.classes))
    classes = [f"{one} {n:,}" for one, n in zip(images.classes, counts, strict=True)]
    photos, kinds = _number(len(images), "photo", "photos"), _number(len(classes), "class", "classes")
    yield f"{name}: {photos}, {kinds}: {listed(classes, NAMED)}"
    splits = {split: int((images.splits == split).sum()) for split in ("train", "val", "test")}
    if any(splits.values()):
        told = [f"{split} {n:,}" for split, n in splits.items() if n]
        if splits["val"] and not splits["test"]:
            told[-1] += ", which is the test"
        yield f"  splits: {', '.join(told)}"
    if images.groups is not None:
        yield f"  groups: {len(np.unique(images.groups)):,}"
    reasons: Counter[str] = Counter()
    first: dict[str, str] = {}
    for one in images.skipped:
        reasons[one.reason] += one.count
        first.setdefault(one.reason, one.path)
    if reasons:
        told = [
            f"{reason} ({first[reason]})" if n == 1 else f"{n:,} × {reason} (the first is {first[reason]})"
            for reason, n in reasons.most_common()
        ]
        yield f"  left out: {listed(told, 4)}"


def _number(n: int, one: str, more: str) -> str:
    return f"{n:,} {one if n == 1 else more}"
