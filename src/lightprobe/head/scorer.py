"""Scores and novelty of rows that come a few at a time: what does not depend on them is prepared once.

Both need the products of a row with every training row, where the head keeps these: they are computed once.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.head.decision import Exact, both_classes
from lightprobe.head.fitted_head import FittedHead
from lightprobe.head.novelty import Novelty
from lightprobe.optics import OpticalAgainst

Floats = NDArray[np.float64]

ROWS: Final = 32  # that come at a time, or so


@dataclass(frozen=True)
class Scored:
    """What a head says of rows.

    Attributes
    ----------
    scores : ndarray, shape (n, c)
    novelty : ndarray, shape (n,)
        In [0, 1].
    kernel, cosines : ndarray, shape (n, n_train), or None
        Against the training rows, of a head that holds them.
    """

    scores: Floats
    novelty: Floats
    kernel: Floats | None = None
    cosines: Floats | None = None


class Scorer:
    """A fitted head and what it takes for novel, ready for rows.

    Parameters
    ----------
    rows : ndarray, shape (n_train, n_features), optional
        Training rows, for a novelty that goes by neighbours and a head that does not hold them itself.
    """

    def __init__(self, head: FittedHead, novelty: Novelty, rows: NDArray[Any] | None = None) -> None:
        self._head, self._novelty = head, novelty
        decision = head.decision
        self._against: OpticalAgainst | None = None
        if isinstance(decision, Exact):
            self._against = OpticalAgainst(decision.rows, ROWS, decision.device)
        elif novelty.by_neighbours and rows is not None:
            self._against = OpticalAgainst(rows, ROWS)

    def __call__(self, X: NDArray[Any]) -> Scored:
        """Score rows X (n, m), encoded like the fitted ones."""
        decision = self._head.decision
        X = np.asarray(X, dtype=decision.dtype)
        if self._against is None:
            scores = self._head.scores(X)
            return Scored(scores, self._novelty.of_terms(scores))
        kernel, cosines = self._against.with_cosines(X)
        if not isinstance(decision, Exact):
            scores = self._head.scores(X)
            return Scored(scores, self._novelty.of_terms(scores, cosines))
        scores = both_classes(decision.of_kernel(kernel))
        return Scored(scores, self._novelty.of_terms(scores, cosines), kernel, cosines)
