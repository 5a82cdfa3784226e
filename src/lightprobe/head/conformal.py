"""Sets of labels that hold the right one with a given chance, from left-out scores (conformal prediction).

    strangeness  r_i = 1 − p_i(y_i), p_i the probabilities of photo i by the fit that has not seen it
    answer       {y : 1 − p(y | x) ≤ q_y},  q_y the ⌈(u + 1) P⌉-th smallest r_i of u photos of class y

Of all sets of that coverage those of the largest probabilities are the smallest on average (Sadinle, Lei and
Wasserman 2019). A class of 50 photos and more has a threshold of its own, so that the coverage holds within
it; the others share one. Photos that were left out together, as groups or copies, count as one in u.

This is the jackknife: the fit to all n photos takes the place of those to n − 1 that the strangenesses are
from, so coverage is P as far as the answer for a photo does not depend on any single other one. For a ridge
whose penalty leave-one-out chose it hardly does, and coverage is measured; but no bound holds for every data
set, as one does for full conformal prediction (P) and the jackknife+ (2P − 1), which take a fit a label or a
fit a training photo for every answer. Held fixed while a photo is left out: alpha, calibration, encoders and
the choice of the candidate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import OptionError
from lightprobe.head.fitted_head import FittedHead

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST_UNITS: Final = 50  # for a threshold of a class's own: its coverage then varies by some four points
QUANTILES: Final = 1001  # of a table kept at most
ROUNDING: Final = 1e-12


@dataclass(frozen=True, eq=False)
class Conformal:
    """Strangenesses of the training photos when left out.

    Attributes
    ----------
    values : (q,)
        Quantiles, rising within each table.
    ends : (c + 2,)
        Where each table ends: that of all photos, that of the classes without one, and one a class, which is
        empty for small classes.
    units : (c + 2,)
        What was left out whole and is counted in each.
    """

    values: Floats
    ends: Integers
    units: Integers

    @classmethod
    def of(cls, head: FittedHead, labels: NDArray[np.integer], units: NDArray[np.integer]) -> Self:
        """Learn from a fitted head, the labels (n,) of its rows, and which (n,) were left out together."""
        probabilities = head.calibration.probabilities(head.loo_scores)
        strange = 1 - probabilities[np.arange(len(labels)), labels]
        counts = [len(np.unique(units[labels == label])) for label in range(head.n_classes)]
        small = np.isin(labels, np.flatnonzero(np.array(counts) < LEAST_UNITS))
        tables, sizes = [_quantiles(strange)], [len(np.unique(units))]
        for rows, least in ((small, LEAST_UNITS), *((labels == k, LEAST_UNITS) for k in range(len(counts)))):
            size = len(np.unique(units[rows]))
            tables.append(_quantiles(strange[rows]) if size >= least else np.empty(0))
            sizes.append(size if size >= least else 0)
        return cls(np.concatenate(tables), np.cumsum([len(table) for table in tables]), np.array(sizes))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_classes: int) -> Self:
        """Build it again; KeyError or ValueError where something is missing or does not fit."""
        values, ends, units = (arrays[name] for name in ("values", "ends", "units"))
        if len(ends) != n_classes + 2 or len(units) != len(ends) or ends[-1] != len(values):
            raise ValueError("the quantiles of left-out photos do not fit the classes")
        return cls(values, ends, units)

    def thresholds(self, coverage: float) -> Floats:
        """Largest strangeness (c,) of a label that an answer of this coverage holds; infinite for too few."""
        tables = [self._quantile(place, coverage) for place in range(len(self.ends))]
        every = np.inf if tables[0] is None else tables[0]
        rest = every if tables[1] is None else tables[1]
        own = zip(tables[2:], self.units[2:].tolist(), strict=True)
        return np.array([(every if units else rest) if one is None else one for one, units in own])

    def holds(self, probabilities: Floats, coverage: float) -> NDArray[np.bool_]:
        """Tell which labels (n, c) the answers hold, given their probabilities."""
        within: NDArray[np.bool_] = 1 - probabilities <= self.thresholds(coverage) + ROUNDING
        return within

    def over_classes(self, columns: NDArray[np.integer]) -> Self:
        """Give it other classes: each that of the old ones in `columns`, or a small one where that is −1."""
        tables = np.split(self.values, self.ends[:-1])
        places = [0, 1, *(column + 2 if column >= 0 else -1 for column in columns.tolist())]
        taken = [tables[place] if place >= 0 else np.empty(0) for place in places]
        units = np.array([self.units[place] if place >= 0 else 0 for place in places], dtype=np.int64)
        return type(self)(np.concatenate(taken), np.cumsum([len(table) for table in taken]), units)

    def _quantile(self, place: int, coverage: float) -> float | None:
        """Take the ⌈(u + 1) P⌉-th smallest of a table, rounded up; None if its units are too few."""
        table = np.split(self.values, self.ends[:-1])[place]
        units = int(self.units[place])
        rank = int(np.ceil((units + 1) * coverage - ROUNDING))
        if not len(table) or rank > units:
            return None
        share = (rank - 1) / max(1, units - 1)
        return float(table[int(np.ceil(share * (len(table) - 1) - ROUNDING * len(table)))])


def check_coverage(coverage: float) -> None:
    """Refuse a coverage outside (0, 1) with an OptionError."""
    if not 0 < coverage < 1:
        raise OptionError(
            f"The coverage is {coverage}; it must be above 0 and below 1, such as 0.9: "
            "how often the answer is to hold the right label."
        )


def _quantiles(strange: Floats) -> Floats:
    return np.quantile(strange, np.linspace(0, 1, min(len(strange), QUANTILES)), method="higher")
