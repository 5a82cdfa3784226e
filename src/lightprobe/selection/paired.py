"""How far one candidate is behind another on the same photos.

The difference of two accuracies, d = Σ_i w_i d_i / Σ_i w_i, has the standard error

    SE = √(Σ_g (Σ_{i∈g} w_i (d_i − d))²) / Σ_i w_i

over the units g that were left out whole: photos, or groups of photos, whose members err together. With one
photo a unit and weights of one it is √(b + c − (b − c)²/n) / n, where b photos are right only by one and c
only by the other (McNemar's counts). Weights are those of the classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightprobe.selection.candidates import Candidate


@dataclass(frozen=True)
class Photos:
    """What photos weigh, and which were left out together.

    Attributes
    ----------
    weights : ndarray of float64, shape (n,)
    units : ndarray of int, shape (n,)
    """

    weights: NDArray[np.float64]
    units: NDArray[np.intp]

    @classmethod
    def of(cls, weights: NDArray[np.float64], groups: NDArray[np.generic] | None) -> "Photos":
        """Take each photo as a unit, or each group."""
        alone = np.arange(len(weights))
        return cls(weights, alone if groups is None else np.unique(groups, return_inverse=True)[1])

    def accuracy(self, candidate: Candidate) -> float:
        """Share of the weight that is right; below every share for a candidate without a score."""
        right = candidate.correct
        return float(np.average(right, weights=self.weights)) if len(right) else -1.0

    def behind(self, candidate: Candidate, best: Candidate) -> tuple[float, float]:
        """By how much accuracy a candidate is behind, and the standard error of that."""
        lost = best.correct.astype(float) - candidate.correct
        mean = float(np.average(lost, weights=self.weights))
        sums = np.bincount(self.units, weights=self.weights * (lost - mean))
        return mean, float(np.sqrt(np.square(sums).sum()) / self.weights.sum())
