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

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.head.decision import Exact, both_classes, in_blocks
from lightprobe.head.fitted_head import FittedHead
from lightprobe.head.scorer import Scored
from lightprobe.optics import OpticalAgainst, linear_kernel

Floats = NDArray[np.float64]

BLOCK_ROWS: Final = 512


class Attribution:
    """Shares of the training rows in the scores of one fitted head.

    Parameters
    ----------
    head : FittedHead
    rows : ndarray, shape (n_train, m)
        What it was fitted to.
    labels : ndarray, shape (n_train,)
        Indices into its classes.

    Attributes
    ----------
    base : ndarray, shape (c,)
        Each class's score before any row has argued.
    """

    def __init__(self, head: FittedHead, rows: NDArray[Any], labels: NDArray[np.integer]) -> None:
        self._decision, self._rows = head.decision, rows
        if isinstance(self._decision, Exact):
            self._coef, self._means = both_classes(self._decision.dual_coef), self._decision.kernel_means
        else:
            targets = np.where(labels[:, None] == np.arange(head.n_classes), 1.0, -1.0)
            residuals = targets - head.scores(rows)
            self._coef = head.class_weight[labels][:, None] * residuals / head.alpha
            self._features = self._decision.features(rows)
            mean = self._features.mean(axis=0, dtype=np.float64)
            self._means = in_blocks(
                lambda block: (block.astype(np.float64) @ mean)[:, None],
                self._features,
                self._features.shape[1],
                1,
            )[:, 0]
        intercept = both_classes(self._decision.intercept[None])[0]
        self.base: Floats = intercept + self._means @ self._coef

    def compare(self, X: NDArray[Any], scored: Scored | None = None) -> tuple[Floats, Floats]:
        """Kernel and cosine, both (n, n_train), of rows X (n, m) and every training row.

        They are taken from `scored`, what the rows' scoring left, where that has computed them.
        """
        if scored is not None and scored.kernel is not None and scored.cosines is not None:
            return scored.kernel, scored.cosines
        X = np.asarray(X, dtype=self._decision.dtype)
        if isinstance(self._decision, Exact):
            return OpticalAgainst(self._rows, len(X), self._decision.device).with_cosines(X)
        kernel = linear_kernel(self._decision.features(X), self._features)
        products = kernel
        if self._features is not self._rows:
            products = linear_kernel(X, self._rows)
        return kernel, products / np.outer(_lengths(X), _lengths(self._rows))

    def __call__(self, kernel: Floats, classes: NDArray[np.intp]) -> Floats:
        """Return every training row's share in the score of one class a row.

        Parameters
        ----------
        kernel : ndarray, shape (n, n_train)
            See `compare`.
        classes : ndarray, shape (n,)
            Of which class, for each row.

        Returns
        -------
        ndarray, shape (n, n_train)
        """
        shares = np.empty_like(kernel)
        for start in range(0, len(kernel), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            centred = kernel[block] - kernel[block].mean(axis=1, keepdims=True)
            centred -= self._means - self._means.mean()
            shares[block] = centred * self._coef[:, classes[block]].T
        return shares


def _lengths(rows: NDArray[Any]) -> Floats:
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    return np.where(lengths > 0, lengths, 1.0)
