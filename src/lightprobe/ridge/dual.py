"""The dual system of one kernel matrix: factored once a penalty, for any targets and any rows left out.

    min over W, b of Σ_i w_i ‖φ(x_i)W + b − y_i‖² + α‖W‖²
    W = φ(X)ᵀc with (K + α diag(1/w)) c + 1b = Y and 1ᵀc = 0

Any K + 1vᵀ + v1ᵀ gives the same c, so K is centred first, and a multiple of 11ᵀ is left in it: then the
direction of the constant has an eigenvalue of the size of the others, and taking it out of the inverse
cancels no digits at small α.
"""

import numpy as np

from lightprobe.errors import LightprobeError
from lightprobe.ridge.cholesky import Cholesky
from lightprobe.ridge.loo import Floats, Indices, left_out_residuals

WEIGHTLESS = 1e-12  # stands for a weight of zero, as a share of the smallest other
DEGENERATE = 1e-12  # below this share of the uncentred trace, the centred one is rounding


class DegenerateKernelError(LightprobeError, ValueError):
    """The centred kernel is zero to rounding: every row looks the same, so there is nothing to fit."""


def refuse_degenerate(scale: float, total: float) -> None:
    """Refuse a centred trace that is rounding beside the uncentred one."""
    if not scale > DEGENERATE * total:
        raise DegenerateKernelError(
            f"The features are the same for every row (their spread is {scale:.3g} of {total:.3g}), "
            "so there is nothing to fit; choose another encoding or layer."
        )


class DualSystem:
    """(K + α diag(1/w)) c + 1b = Y, 1ᵀc = 0, in the memory of K, one penalty at a time.

    A penalty costs n³; targets, and rows that are left out, are then solved for in n² a column.

    Parameters
    ----------
    K : (n, n) float64, symmetric, in C order
        Used as working memory.
    weights : (n,), ≥ 0, two of them above zero
    device : str
        Where to compute.

    Attributes
    ----------
    scale : float
        tr(Kc)/n, weighted: what a relative penalty is relative to.

    Raises
    ------
    DegenerateKernelError
        The centred kernel is zero to rounding.
    """

    def __init__(self, K: Floats, weights: Floats, device: str = "cpu") -> None:
        # A weight of zero is an infinite diagonal; this is large enough, and predicts the row like any other.
        w = np.maximum(weights, WEIGHTLESS * weights[weights > 0].min())
        total = float(np.average(np.diagonal(K), weights=w))
        means = w @ K / w.sum()
        K -= means
        K -= (means - np.average(means, weights=w))[:, None]
        self.scale = float(np.average(np.diagonal(K), weights=w))
        refuse_degenerate(self.scale, total)
        K += self.scale / len(K)  # the constant's own eigenvalue; c sums to zero, so nothing else changes
        self._weights, self._means = w, means
        self._diagonal = np.diagonal(K).copy()
        self._factor = Cholesky(K, device)

    def factorise(self, alpha: float) -> None:
        """Invert at a penalty.

        Raises
        ------
        IllConditionedError
            The penalty is too small for double precision.
        """
        self._factor.factorise(self._diagonal + alpha / self._weights, alpha / self.scale)
        self._factor.invert()
        self._ones = self._factor.times_inverse(np.ones((len(self._diagonal), 1)))[:, 0]
        self._leverage = self._factor.inverse_diagonal() - self._ones**2 / self._ones.sum()

    def solve(self, Y: Floats) -> tuple[Floats, Floats]:
        """Coefficients (n, c) and intercepts (c,) for targets Y (n, c), at the penalty factored last."""
        intercept = self._ones @ Y / self._ones.sum()
        coef = self._factor.times_inverse(np.asarray(Y, np.float64)) - np.outer(self._ones, intercept)
        return coef, intercept - self._means @ coef

    def left_out_scores(self, coef: Floats, Y: Floats, members: list[Indices]) -> Floats:
        """Scores (n, c) of every row by the fit that has not seen it.

        Parameters
        ----------
        coef : (n, c)
            What `solve` gave for Y.
        Y : (n, c)
        members
            Rows that are left out together, two or more at a time; see `group_members`.
        """

        def block(rows: Indices) -> Floats:
            ones = self._ones[rows]
            part: Floats = self._factor.inverse_block(rows) - np.outer(ones, ones) / self._ones.sum()
            return part

        return Y - left_out_residuals(coef, self._leverage, members, block)
