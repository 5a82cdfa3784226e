"""Which candidate is taken, and what having been chosen adds to its accuracy.

The rule: the highest leave-one-out accuracy, ties by the squared error of the left-out scores. From
`CHEAPER_PHOTOS` photos on the cheapest is preferred among those within one standard error of that, but only
between different eyes (networks, looks or layers), each with its best candidate: of few photos, and between
heads on the same features, what seems level to within an error is, on new photos, more often worse.
Accuracies are compared photo by photo, see `paired_gain`.

What choosing the best of several by leave-one-out adds to its leave-one-out accuracy:

    optimism = mean_b [ A*_b(w_b) − A(w_b) ]

over bootstrap samples b of the units that were left out whole (photos, or groups): w_b is the candidate, with
the alpha, that the rules would have taken on the sample, A*_b its accuracy there, A its accuracy on all
photos. (Efron 1983, "Estimating the error rate of a prediction rule", applied to the choice; the fits are not
repeated, since leave-one-out has scored every photo by fits that have not seen it.) Of several thousand
photos a part chooses alpha: what that adds to the accuracy of all is little, and not in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.ridge import ACCURACY_ROWS, paired_gain
from lightprobe.selection.candidates import Candidate

Floats = NDArray[np.float64]

CHEAPER_PHOTOS: Final = 500
SAMPLES: Final = 200


@dataclass(frozen=True)
class Photos:
    """What photos weigh, and which were left out together.

    Attributes
    ----------
    weights : ndarray of float64, shape (n,)
    units : ndarray of int, shape (n,)
    """

    weights: Floats
    units: NDArray[np.intp]

    @classmethod
    def of(cls, weights: Floats, groups: NDArray[np.generic] | None) -> "Photos":
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


@dataclass(frozen=True)
class Penalties:
    """One candidate at every alpha tried, summed over units as in `Rivals`.

    Attributes
    ----------
    right, squared : ndarray of float64, shape (n_alphas, n_units)
    by_accuracy : bool
        Whether accuracy has a say in alpha: see `ridge.alpha_search`.
    """

    right: Floats
    squared: Floats
    by_accuracy: bool

    def taken(self, times: NDArray[np.integer], total: Floats) -> int:
        """Tell which alpha is chosen where units of these weights count so many times."""
        right, squared = self.right @ times, self.squared @ times
        if self.by_accuracy:
            best = int(right.argmax())
            weight = float(times @ total)
            lost = (right[best] - right) / weight
            deviation = self.right[best] - self.right - lost[:, None] * total
            squared = np.where(lost <= np.sqrt((deviation**2) @ times) / weight, squared, np.inf)
        return int(squared.argmin())


@dataclass(frozen=True)
class Rivals:
    """Candidates with scores, summed over the units that were left out whole.

    Attributes
    ----------
    right, squared : ndarray of float64, shape (n_candidates, n_units)
        Weight of the photos that are right, and weighted squared errors.
    total : ndarray of float64, shape (n_units,)
        Weight of all photos.
    costs, eyes : ndarray, shape (n_candidates,)
        What each costs, and a number for what it looks through.
    cheaper : bool
        Whether there are photos enough to prefer the cheaper.
    penalties : tuple of Penalties, length n_candidates
        What each said at every alpha that was tried; empty where that is not known.
    """

    right: Floats
    squared: Floats
    total: Floats
    costs: NDArray[np.float64]
    eyes: NDArray[np.intp]
    cheaper: bool
    penalties: tuple["Penalties", ...] = ()

    @classmethod
    def of(cls, scored: Sequence[Candidate], photos: Photos, cheaper: bool | None = None) -> "Rivals":
        """Sum over the units of `photos`; where `cheaper` is None, their number says what is preferred."""
        n_units = int(photos.units.max()) + 1

        def sums(values: NDArray[Any]) -> Floats:
            return np.bincount(photos.units, photos.weights * values, n_units).astype(np.float64)

        names = [candidate.choice.taps.cut for candidate in scored]
        return cls(
            np.array([sums(candidate.correct) for candidate in scored]),
            np.array([sums(candidate.squared) for candidate in scored]),
            sums(np.ones(len(photos.weights))),
            np.array([candidate.cost for candidate in scored], np.float64),
            np.unique(names, return_inverse=True)[1],
            len(photos.weights) >= CHEAPER_PHOTOS if cheaper is None else cheaper,
            tuple(
                Penalties(
                    np.array([sums(row) for row in right]),
                    np.array([sums(row) for row in squared]),
                    by_accuracy=bool(np.count_nonzero(photos.weights) >= ACCURACY_ROWS),
                )
                for right, squared in map(_trials, scored)
            ),
        )

    def contenders(self, times: NDArray[np.integer] | None = None) -> list[int]:
        """List those among which the cheapest is taken, the most accurate first; `times` units count."""
        times = np.ones(len(self.total), int) if times is None else times
        weight = float(times @ self.total)
        accuracy, squared = self.right @ times / weight, self.squared @ times / weight
        order = np.lexsort((squared, -accuracy))
        best = int(order[0])
        if not self.cheaper:
            return [best]
        lost = accuracy[best] - accuracy
        deviation = self.right[best] - self.right - lost[:, None] * self.total
        error = np.sqrt((deviation**2) @ times) / weight
        first_of_its_eyes = {self.eyes[i]: int(i) for i in order[::-1]}.values()
        return [best, *(i for i in first_of_its_eyes if i != best and lost[i] <= error[i])]

    def taken(self, times: NDArray[np.integer] | None = None) -> int:
        """Tell which the rule takes."""
        return min(self.contenders(times), key=lambda i: self.costs[i])


def optimism(rivals: Rivals, *, random_state: int = 0) -> float:
    """Estimate by how much the accuracy of the one that is taken is too good, in [0, 1]."""
    penalties = rivals.penalties or tuple(
        Penalties(right[None], squared[None], by_accuracy=False)
        for right, squared in zip(rivals.right, rivals.squared, strict=True)
    )
    if sum(len(one.right) for one in penalties) < 2:
        return 0.0
    n_units = len(rivals.total)
    rng = np.random.default_rng(random_state)
    gains = np.empty(SAMPLES)
    for b in range(SAMPLES):
        times = np.bincount(rng.integers(n_units, size=n_units), minlength=n_units)
        alphas = [one.taken(times, rivals.total) for one in penalties]
        right, squared = (
            np.array([getattr(one, name)[alpha] for one, alpha in zip(penalties, alphas, strict=True)])
            for name in ("right", "squared")
        )
        winner = right[replace(rivals, right=right, squared=squared).taken(times)]
        gains[b] = winner @ times / float(times @ rivals.total) - winner.sum() / rivals.total.sum()
    return max(0.0, float(gains.mean()))


def _trials(candidate: Candidate) -> tuple[NDArray[np.bool_], Floats]:
    """Every alpha's rows of a candidate, or those of the one that is known."""
    if candidate.trials is None:
        return candidate.correct[None], candidate.squared[None]
    return candidate.trials.right, candidate.trials.squared
