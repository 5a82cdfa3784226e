"""A fitted head for rows that come a few at a time: what does not depend on them is prepared once.

Scores and novelty both need the products of a row with every training row: they are computed once for both.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.head.novelty import Novelty
from lightprobe.optics.kernel import OpticalAgainst

if TYPE_CHECKING:
    from lightprobe.head.optical_ridge import OpticalRidge

Floats = NDArray[np.float64]

ROWS = 32  # that come at a time, or so


class Scorer:
    """Scores and novelty of rows.

    Parameters
    ----------
    head : OpticalRidge
        Fitted.
    novelty : Novelty
        Learnt from the head.
    """

    def __init__(self, head: "OpticalRidge", novelty: Novelty) -> None:
        self._head, self._novelty = head, novelty
        self._against: OpticalAgainst | None = None
        if hasattr(head, "X_fit_"):
            self._against = OpticalAgainst(head.X_fit_, ROWS, head.torch_device)

    def __call__(self, X: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return scores (n, c) and novelty (n,), in [0, 1], of rows X (n, m) encoded like the fitted ones."""
        if self._against is None:
            scores = self._head.class_scores(X)
            return scores, self._novelty.of_terms(scores)
        kernel, cosines = self._against.with_cosines(np.asarray(X, dtype=self._head.dtype_))
        scores = kernel @ self._head.dual_coef_ + self._head.intercept_
        if len(self._head.classes_) == 2:
            scores = np.hstack([-scores, scores])
        return scores, self._novelty.of_terms(scores, cosines)
