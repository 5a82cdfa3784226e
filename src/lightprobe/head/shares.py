"""What each training row says for and against a class: a score as a sum over the training set.

    score(x) = base + Σ_i share_i(x),    share_i(x) = c_i k°(x_i, x)
    k°(x_i, x) = k(x_i, x) − mean_j k(x_j, x) − mean_j k(x_i, x_j) + mean_jl k(x_j, x_l)

The kernel is centred, so that a row argues by how much more alike it is than rows are on average; since
Σ_i c_i = 0, that moves the same amount into `base` for every x: base = b + Σ_i c_i mean_j k(x_i, x_j), which
without weights is the mean of the targets, what would be answered knowing nothing of x. A share is not what
leaving the row out would change. (The representer theorem; "representer points" of Yeh et al. 2018.)

Heads on features themselves, or on random features φ, have k(x, y) = φ(x)·φ(y) and, since ridge's solution
W = Σ_i c_i φ(x_i) has αc_i = w_i (y_i − score(x_i)), the same coefficients from their training rows. There a
very small α magnifies the rounding of residuals, and the sum is the score to about a hundredth only; with an
exact optical kernel it is exact.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.optics.kernel import OpticalAgainst, linear_kernel

if TYPE_CHECKING:
    from lightprobe.head.optical_ridge import OpticalRidge

Floats = NDArray[np.float64]

BLOCK_ROWS = 512


class Shares:
    """Shares of the training rows in the scores of one fitted head.

    Parameters
    ----------
    head : OpticalRidge
    rows : (n_train, m)
        What it was fitted to.
    labels : (n_train,)
        Indices into its classes.

    Attributes
    ----------
    base : (c,)
        Each class's score before any row has argued.
    """

    def __init__(self, head: "OpticalRidge", rows: NDArray[Any], labels: NDArray[np.integer]) -> None:
        self._dtype = head.dtype_
        self._against = _kernel_against(head, rows)
        blocks = range(0, len(rows), BLOCK_ROWS)
        self._means: Floats = np.concatenate(
            [self._against(rows[start : start + BLOCK_ROWS]).mean(axis=1) for start in blocks]
        )
        if hasattr(head, "dual_coef_"):
            coef = head.dual_coef_
            self._coef: Floats = np.hstack([-coef, coef]) if len(head.classes_) == 2 else coef
        else:
            targets = np.where(labels[:, None] == np.arange(len(head.classes_)), 1.0, -1.0)
            residuals = targets - head.class_scores(rows)
            self._coef = head.class_weight_[labels][:, None] * residuals / head.alpha_
        b = head.intercept_
        self.base: Floats = (np.hstack([-b, b]) if len(head.classes_) == 2 else b) + self._means @ self._coef

    def __call__(self, X: NDArray[np.generic], classes: NDArray[np.intp]) -> Floats:
        """Return every training row's share in the score of one class a row.

        Parameters
        ----------
        X : (n, m)
            Encoded like the training rows.
        classes : (n,)
            Of which class, for each row.

        Returns
        -------
        (n, n_train)
        """
        shares = np.empty((len(X), len(self._means)))
        for start in range(0, len(X), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            kernel = self._against(np.asarray(X[block], dtype=self._dtype))
            kernel -= kernel.mean(axis=1, keepdims=True)
            kernel -= self._means - self._means.mean()
            shares[block] = kernel * self._coef[:, classes[block]].T
        return shares


def _kernel_against(head: "OpticalRidge", rows: NDArray[Any]) -> Callable[[NDArray[Any]], Floats]:
    if hasattr(head, "dual_coef_"):
        return OpticalAgainst(rows, len(rows), head.torch_device)
    if head.n_components_ is None:
        return lambda X: linear_kernel(X, rows, device=head.torch_device)
    projected = np.asarray(head.features_.transform(rows))
    return lambda X: linear_kernel(np.asarray(head.features_.transform(X)), projected)
