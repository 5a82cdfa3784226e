"""How unlike the training rows a row is, and from where on to answer "unknown".

    raw(x) = −(max_c s_c(x) − μ_s) / σ_s − (cos_k(x) − μ_d) / σ_d
    novelty(x) = share of training rows i with raw(i) < raw(x)

s are scores: regression on −1 and +1, class against rest, leaves all of them low where no class is near.
cos_k is the cosine to the k-th nearest training row (Sun et al. 2022, "Out-of-distribution detection with
deep nearest neighbors"), for heads that keep these; of others the first term alone counts. μ, σ and raw(i)
are taken with row i left out of the fit and, with its group, out of its neighbours: so a row as novel as a
share RATE of the known ones is rejected when RATE of what is known may be.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import OptionError
from lightprobe.head.decision import Exact
from lightprobe.head.fitted_head import FittedHead

Floats = NDArray[np.float64]

NEIGHBOUR: Final = 5
BLOCK_ROWS: Final = 1024
LEAST_SPREAD: Final = 1e-12
QUANTILES: Final = 1001


@dataclass(frozen=True)
class Novelty:
    """Novelty beside that of the training rows.

    Attributes
    ----------
    reference : (q,)
        Quantiles of what training rows have when left out, rising.
    centre, spread : (t,)
        Of each term: scores and, for heads that keep their training rows, cosines.
    """

    reference: Floats
    centre: Floats
    spread: Floats

    @classmethod
    def of(cls, head: FittedHead, groups: NDArray[np.generic] | None = None) -> "Novelty":
        """Learn from a fitted head, and the groups (n,) of its rows that were left out together."""
        terms = head.loo_scores.max(axis=1, keepdims=True)
        if isinstance(head.decision, Exact):
            units = np.arange(len(terms)) if groups is None else np.unique(groups, return_inverse=True)[1]
            terms = np.column_stack([terms, _neighbours(head.decision.rows, units)])
        centre, spread = terms.mean(axis=0), np.maximum(terms.std(axis=0), LEAST_SPREAD)
        raw = -((terms - centre) / spread).sum(axis=1)
        # Quantiles rather than all values: a model must not hold a number of each photo where it keeps none.
        return cls(np.quantile(raw, np.linspace(0, 1, min(len(raw), QUANTILES))), centre, spread)

    def of_terms(self, scores: Floats, cosines: Floats | None = None) -> Floats:
        """Return the novelty (n,), in [0, 1], of rows with these scores (n, c).

        Parameters
        ----------
        cosines : (n, n_train), optional
            To the training rows, for heads that keep them.
        """
        terms = scores.max(axis=1, keepdims=True)
        if cosines is not None:
            k = min(NEIGHBOUR, cosines.shape[1])
            terms = np.column_stack([terms, np.partition(cosines, -k, axis=1)[:, -k]])
        raw = -((terms - self.centre) / self.spread).sum(axis=1)
        return np.asarray(np.searchsorted(self.reference, raw) / len(self.reference))


def check_rate(rate: float) -> None:
    """Refuse a rate outside (0, 1) with an OptionError."""
    if not 0 < rate < 1:
        raise OptionError(
            f"The rate of unknown is {rate}; it must be above 0 and below 1, such as 0.05: "
            "the share of known photos that may be called unknown."
        )


def is_unknown(novelty: float | None, rate: float | None) -> bool:
    """Whether a row is so novel that, at this rate, no class should be believed; at None none is."""
    return novelty is not None and rate is not None and novelty >= 1 - rate


def _neighbours(X: NDArray[Any], units: NDArray[np.intp]) -> Floats:
    """Cosine (n,) of each row to its k-th nearest; rows of its own unit do not count."""
    rows = X.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(lengths > 0, lengths, 1.0)
    k = min(NEIGHBOUR, len(rows))
    nearest = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        cosines = rows[block] @ rows.T
        cosines[units[block, None] == units] = -1.0
        nearest[block] = np.partition(cosines, -k, axis=1)[:, -k]
    return nearest
