"""How far one fit is ahead of another on the same photos, in accuracy.

The difference of two accuracies, d = Σ_i w_i d_i / Σ_i w_i, has the standard error

    SE = √(Σ_g (Σ_{i∈g} w_i (d_i − d))²) / Σ_i w_i

over the units g that were left out whole: photos, or groups of photos, whose members err together. With one
photo a unit and weights of one it is √(b + c − (b − c)²/n) / n, where b photos are right only by one and c
only by the other (McNemar's counts). Weights are those of the classes.
"""

import numpy as np
from numpy.typing import NDArray


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
