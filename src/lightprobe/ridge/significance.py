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


def accuracy_interval(
    right: NDArray[np.bool_], units: NDArray[np.generic] | None = None
) -> tuple[float, float]:
    """95 % confidence interval of an accuracy, photos of one unit erring together.

    Wilson's interval of an effective number of photos, n / d, where the design effect

        d = G/(G − 1) Σ_g (Σ_{i∈g} (r_i − r̄))² / (n r̄(1 − r̄)),   not below 1,

    is what the G units add to the variance, and with Student's t of G − 1 degrees of freedom in place of
    the normal quantile (Korn and Graubard 1998). Where all or none are right nothing is known of d, and units
    count as photos do.

    Parameters
    ----------
    right : (n,)
    units : (n,), optional
        Which were left out together; each alone without it.
    """
    from scipy.special import ndtri, stdtrit  # which reading rows need not take

    n = len(right)
    share = float(right.mean())
    _, unit = np.unique(np.arange(n) if units is None else units, return_inverse=True)
    n_units = int(unit.max()) + 1
    effective, quantile = float(n), float(ndtri(0.975))
    if n_units < n:
        quantile = float(stdtrit(max(1, n_units - 1), 0.975))
        effective = float(n_units)
        if 0 < share < 1 and n_units > 1:
            sums = np.bincount(unit, right - share)
            design = n_units / (n_units - 1) * float(np.square(sums).sum()) / (n * share * (1 - share))
            effective = n / max(1.0, design)
    square = quantile**2 / effective
    middle = (share + square / 2) / (1 + square)
    half = np.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
