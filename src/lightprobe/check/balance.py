"""Classes: too small to judge, out of balance, of one group only, or not to be told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from lightprobe.check.findings import Finding

SMALL: Final = 20  # photos: a recall of 90 % then has a 95 % interval of 70 to 97 %
LEVEL: Final = 0.05  # of the tests between two classes
IMBALANCED: Final = 5.0  # times as many as the smallest class


@dataclass(frozen=True)
class Confusable:
    """Two classes between which leave-one-out does no better than chance."""

    first: str
    second: str
    accuracy: float
    n: int


def balance_findings(
    labels: NDArray[np.int64], classes: Sequence[str], groups: NDArray[np.generic] | None = None
) -> list[Finding]:
    """Report classes that are small, much larger than others, or all of one group.

    Parameters
    ----------
    labels : (n,)
    classes : sequence of str
    groups : (n,), optional
        Groups the user named; guessed ones say too little.
    """
    counts = np.bincount(labels, minlength=len(classes))
    found = []
    for label, name in enumerate(classes):
        if counts[label] < SMALL:
            evidence, suggestion = f"{counts[label]} photos", f"take at least {SMALL}"
            severity = float(SMALL - counts[label])
            found.append(Finding(name, "small-class", evidence, suggestion, severity=severity))
        elif groups is not None and len(np.unique(groups[labels == label])) == 1:
            evidence = f"all {counts[label]} photos are of one group, which leaving groups out cannot judge"
            found.append(Finding(name, "small-class", evidence, "add photos of another group"))
    present = counts[counts > 0]
    ratio = float(counts.max() / present.min())
    if ratio > IMBALANCED:
        rare = classes[int(np.where(counts > 0, counts, counts.max()).argmin())]
        largest = f"{classes[int(counts.argmax())]} has {counts.max()}"
        evidence = f"{present.min()} photos; {largest}, {ratio:.0f} times as many"
        suggestion = "add photos, or train with --class-weight balanced"
        found.append(Finding(rare, "imbalance", evidence, suggestion, severity=ratio))
    return found


def confusable_classes(
    scores: NDArray[np.float64], labels: NDArray[np.int64], classes: Sequence[str]
) -> list[Confusable]:
    """Find pairs of classes whose photos, asked which of the two they are, are right no more than by chance.

    Tested one-sided at 5 % (binomial) against always naming the larger of the two; and there must be photos
    enough to rule out, at 5 %, an accuracy half way from there to certainty: two photos each say nothing.
    """
    found = []
    for first in range(len(classes)):
        for second in range(first + 1, len(classes)):
            rows = np.flatnonzero((labels == first) | (labels == second))
            larger = max((labels[rows] == first).mean(), (labels[rows] == second).mean())
            right = int(((scores[rows, second] > scores[rows, first]) == (labels[rows] == second)).sum())
            if larger == 1:
                continue
            chance = binomtest(right, len(rows), larger, alternative="greater").pvalue
            half_way = binomtest(right, len(rows), (1 + larger) / 2, alternative="less").pvalue
            if chance > LEVEL >= half_way:
                found.append(Confusable(classes[first], classes[second], right / len(rows), len(rows)))
    return found
