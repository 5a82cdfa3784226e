"""How far one candidate is behind another on the same photos.

The difference of two accuracies, d = Σ_i w_i d_i / Σ_i w_i, has the standard error

    SE = √(Σ_g (Σ_{i∈g} w_i (d_i − d))²) / Σ_i w_i

over the units g that were left out whole: photos, or groups of photos, whose members err together. With one
photo a unit and weights of one it is √(b + c − (b − c)²/n) / n, where b photos are right only by one and c
only by the other (McNemar's counts). Weights are those of the classes.

What choosing the best of several by leave-one-out adds to its leave-one-out accuracy.

    optimism = mean_b [ A*_b(w_b) − A(w_b) ]

over bootstrap samples b of the units that were left out whole (photos, or groups): w_b is the candidate that
would have been chosen on the sample, A*_b its accuracy there, A its accuracy on all photos. (Efron 1983,
"Estimating the error rate of a prediction rule", applied to the choice; the fits are not repeated, since
leave-one-out has scored every photo by fits that have not seen it.) What the choice of alpha within a
candidate adds is not in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.selection.candidates import Candidate

SAMPLES: Final = 200


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
        return paired_gain(best.correct, candidate.correct, self.weights, self.units)


def paired_gain(
    ours: NDArray[np.bool_],
    theirs: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
    units: NDArray[np.intp] | None = None,
) -> tuple[float, float]:
    """Difference of two accuracies on the same photos, and its standard error.

    Parameters
    ----------
    ours, theirs : ndarray of bool, shape (n,)
        Which photos each gets right.
    weights, units : ndarray, shape (n,), optional
        What photos weigh, and which were left out together; each alone, and one, without them.
    """
    weights = np.ones(len(ours)) if weights is None else weights
    units = np.arange(len(ours)) if units is None else units
    gained = ours.astype(float) - theirs
    mean = float(np.average(gained, weights=weights))
    sums = np.bincount(units, weights=weights * (gained - mean))
    return mean, float(np.sqrt(np.square(sums).sum()) / weights.sum())


def optimism(
    correct: NDArray[np.bool_],
    costs: Sequence[int],
    weights: NDArray[np.float64],
    units: NDArray[np.intp],
    *,
    random_state: int = 0,
) -> float:
    """Estimate by how much the winner's accuracy is too good, in [0, 1].

    Parameters
    ----------
    correct : (n_candidates, n)
        Whether each photo is right when left out.
    costs : (n_candidates,)
        Of candidates within a standard error, the cheapest is chosen.
    weights, units : (n,)
        What photos weigh, and which were left out together.
    """
    if len(correct) < 2:
        return 0.0
    n_units = int(units.max()) + 1
    total = np.bincount(units, weights, n_units)
    right = np.array([np.bincount(units, weights * row, n_units) for row in correct])  # (candidates, units)
    whole = right.sum(axis=1) / total.sum()
    rng = np.random.default_rng(random_state)
    gains = np.empty(SAMPLES)
    for b in range(SAMPLES):
        times = np.bincount(rng.integers(n_units, size=n_units), minlength=n_units)
        weight = float(times @ total)
        sampled = right @ times / weight
        best = int(sampled.argmax())
        # Of each candidate against the best: the difference, and its error over units.
        lost = sampled[best] - sampled
        deviation = right[best] - right - lost[:, None] * total
        error = np.sqrt((deviation**2) @ times) / weight
        within = np.flatnonzero(lost <= error)
        chosen = within[np.argmin(np.asarray(costs)[within])]
        gains[b] = sampled[chosen] - whole[chosen]
    return max(0.0, float(gains.mean()))
