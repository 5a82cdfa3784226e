"""How unlike the training rows a row is, and from where on to answer "unknown".

    raw(x) = −w (max_c s_c(x) − μ_s) / σ_s − (cos_k(x) − μ_d) / σ_d
    novelty(x) = #{training rows i with raw(i) < raw(x)} / (n + 1)

s are scores: regression on −1 and +1, class against rest, leaves all of them low where no class is near.
w is what they are good for, as leave-one-out shows it: Somers' D = 2 AUROC − 1 of max_c s_c as a sign that
the answer is right. cos_k is the cosine to the k-th nearest training row (Sun et al. 2022,
"Out-of-distribution detection with deep nearest neighbors"), where these are kept; elsewhere the first term
alone counts. μ, σ, w and raw(i) are taken with row i left out of the fit and, with its copies and its group,
out of its neighbours: so a row as novel as a share RATE of the known ones is rejected when RATE of what is
known may be.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import OptionError
from lightprobe.head.fitted_head import FittedHead
from lightprobe.ridge import row_keys

Floats = NDArray[np.float64]

NEIGHBOUR: Final = 5
BLOCK_ROWS: Final = 1024
LEAST_SPREAD: Final = 1e-12
QUANTILES: Final = 1001
MOST_ASKED: Final = 8192  # training rows whose neighbours are looked for, of more


@dataclass(frozen=True)
class Novelty:
    """Novelty beside that of the training rows.

    Attributes
    ----------
    reference : (q,)
        Quantiles of what training rows have when left out, rising.
    centre, spread : (t,)
        Of each term: scores and, where the training rows are kept, cosines.
    weight : (t,)
        Of each term.
    """

    reference: Floats
    centre: Floats
    spread: Floats
    weight: Floats

    @classmethod
    def of(
        cls,
        head: FittedHead,
        labels: NDArray[np.integer],
        units: NDArray[np.integer],
        rows: NDArray[Any] | None = None,
    ) -> "Novelty":
        """Learn from a fitted head.

        Parameters
        ----------
        labels : (n,)
            Of its rows.
        units : (n,)
            Which of them were left out together: copies, groups.
        rows : (n, m), optional
            The rows themselves, where they will be at hand.
        """
        terms, weight = head.loo_scores.max(axis=1, keepdims=True), np.ones(1)
        if rows is not None:
            asked = np.arange(len(rows))
            if len(rows) > MOST_ASKED:
                asked = np.argsort(row_keys(rows), kind="stable")[:MOST_ASKED]
            right = (head.loo_scores.argmax(axis=1) == labels)[asked]
            terms = np.column_stack([terms[asked], _neighbours(rows, units, asked)])
            weight = np.array([_skill(terms[:, 0], right), 1.0])
        centre, spread = terms.mean(axis=0), np.maximum(terms.std(axis=0), LEAST_SPREAD)
        raw = -((terms - centre) / spread) @ weight
        # Quantiles rather than all values: a model must not hold a number of each photo where it keeps none.
        return cls(np.quantile(raw, np.linspace(0, 1, min(len(raw), QUANTILES))), centre, spread, weight)

    @property
    def by_neighbours(self) -> bool:
        """Whether the nearest training rows count, or scores alone."""
        return len(self.weight) > 1

    def of_terms(self, scores: Floats, cosines: Floats | None = None) -> Floats:
        """Return the novelty (n,), in [0, 1], of rows with these scores (n, c).

        Parameters
        ----------
        cosines : (n, n_train), optional
            To the training rows, where these are kept.
        """
        terms = scores.max(axis=1, keepdims=True)
        if self.by_neighbours and cosines is not None:
            k = min(NEIGHBOUR, cosines.shape[1])
            terms = np.column_stack([terms, np.partition(cosines, -k, axis=1)[:, -k]])
        raw = -((terms - self.centre) / self.spread) @ self.weight
        return np.asarray(np.searchsorted(self.reference, raw) / (len(self.reference) + 1))


def check_rate(rate: float) -> None:
    """Refuse a rate outside (0, 1) with an OptionError."""
    if not 0 < rate < 1:
        raise OptionError(
            f"The rate of unknown is {rate}; it must be above 0 and below 1, such as 0.05: "
            "the share of known photos that may be called unknown."
        )


def is_unknown(novelty: float | None, rate: float | None) -> bool | None:
    """Whether a row is so novel that, at this rate, no class should be believed; None where none is asked."""
    return None if rate is None else novelty is not None and novelty >= 1 - rate


def _skill(score: Floats, right: NDArray[np.bool_]) -> float:
    """Somers' D of scores (n,) as a sign of right answers (n,), not below zero; one where all are right."""
    from scipy.stats import rankdata  # which answering need not import

    n_right = int(right.sum())
    n_wrong = len(right) - n_right
    if not n_wrong or not n_right:
        return 1.0
    above = rankdata(score)[right].sum() - n_right * (n_right + 1) / 2
    return max(0.0, float(2 * above / (n_right * n_wrong) - 1))


def _neighbours(X: NDArray[Any], units: NDArray[np.integer], asked: NDArray[np.intp]) -> Floats:
    """Cosine (n_asked,) of some rows to their k-th nearest; rows of their own unit do not count."""
    rows = X.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(lengths > 0, lengths, 1.0)
    k = min(NEIGHBOUR, len(rows))
    nearest = np.empty(len(asked))
    for start in range(0, len(asked), BLOCK_ROWS):
        block = asked[start : start + BLOCK_ROWS]
        cosines = rows[block] @ rows.T
        cosines[units[block, None] == units] = -1.0
        nearest[start : start + BLOCK_ROWS] = np.partition(cosines, -k, axis=1)[:, -k]
    return nearest
