"""Fit a head of finite dimension whose sums are known: its rows are read for leave-one-out alone.

    min over W, b of Σ_i ‖φ(x_i)W + b − y_i‖² + α‖W‖²

needs Σ φφᵀ, Σ φyᵀ and Σ φ; that part may have been done elsewhere, on many machines. What is left is a factor
of k × k numbers a penalty, and a pass over the rows, a block at a time.
"""

import time

import numpy as np
from numpy.typing import NDArray

from lightprobe.head.class_sums import FeatureRows, Finite, signed, with_coefficients
from lightprobe.head.fitted_head import FittedHead
from lightprobe.head.options import HeadOptions
from lightprobe.ridge import Keys, RidgeStatistics, Rows, fit_calibration, solve_primal


def fit_sums(
    decision: Finite,
    rows: Rows,
    labels: NDArray[np.int64],
    sums: RidgeStatistics,
    options: HeadOptions,
    *,
    units: NDArray[np.intp],
    keys: Keys,
    reason: str,
) -> FittedHead:
    """Fit to sums over classes (see `sum_classes`) of encoded features `rows` (n, m).

    Parameters
    ----------
    decision : Linear or RandomFeatures
        What the sums are over; its coefficients do not count.
    labels : ndarray of int64, shape (n,)
        Classes of the rows.
    units : ndarray, shape (n,)
        Which rows are left out together: copies, groups.
    keys : ndarray of uint64, shape (n,)
        Numbers that follow the rows wherever they stand; see `fit_head`.
    reason : str
        What the sums are of, for people.

    Raises
    ------
    DegenerateKernelError
        The features are the same for every row.
    IllConditionedError
        The given penalty is too small for double precision.
    """
    start = time.perf_counter()
    n_classes = len(sums.target_sum)
    fit = solve_primal(
        FeatureRows(decision, rows),
        np.where(labels[:, None] == np.arange(n_classes), 1.0, -1.0),
        alpha_relative=None if options.alpha == "auto" else float(options.alpha),
        groups=units,
        keys=keys,
        statistics=signed(sums),
        device=options.solve_device,
    )
    return FittedHead(
        with_coefficients(decision, fit),
        n_classes,
        fit_calibration(fit.loo_scores, labels, None, units),
        fit.loo_scores,
        float(np.mean(fit.loo_scores.argmax(axis=1) == labels)),
        np.ones(n_classes),
        fit.alpha,
        fit.alpha_relative,
        "primal",
        reason,
        fit.path,
        {"generate": 0.0, "project": 0.0, "fit": time.perf_counter() - start},
        fit.trials,
    )
