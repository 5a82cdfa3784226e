"""Fit a head: from encoded features and labels to scores, penalty and calibration.

min over W, b of Σ_i w_i ‖φ(x_i)W + b − y_i‖² + α‖W‖², y in {−1, +1}, one column a class, where φ is the
features themselves (linear), all optical random features at once through their kernel (optical, exact), or a
given number of them (optical, components).
"""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError
from lightprobe.head.decision import Decision, Exact, Linear, RandomFeatures
from lightprobe.head.fitted_head import FittedHead
from lightprobe.head.options import HeadOptions
from lightprobe.optics import Projection, drawn_seed, linear_kernel, optical_from_products
from lightprobe.ridge import (
    DegenerateKernelError,
    Keys,
    Plan,
    RidgeFit,
    fit_calibration,
    identical_rows,
    joined_groups,
    plan_fit,
    row_keys,
    solve_dual,
    solve_primal,
)

Floats = NDArray[np.float64]

SPREAD_ROWS: Final = 256  # tell how far rows lie from each other beside how far from zero
FOLD_ELEMENTS: Final = 2**22  # of training features in double precision at a time


def fit_head(
    X: NDArray[Any],
    labels: NDArray[np.intp],
    n_classes: int,
    options: HeadOptions,
    *,
    counts: Floats | None = None,
    class_weight: Floats | None = None,
    groups: NDArray[Any] | None = None,
    keys: Keys | None = None,
    products: Callable[[], Floats] | None = None,
) -> FittedHead:
    """Fit to encoded features X (n, m) of classes `labels` (n,), indices below `n_classes`.

    Rows that are equal to the last bit are left out together, so that no photo is predicted by its copy.
    Rows in single or half precision that lie so far from zero that their products would lose half of their
    digits when they are centred are taken in double precision.

    Parameters
    ----------
    options : HeadOptions
        Checked; its `class_weight` counts where `class_weight` is None, and must then not be a dict.
    counts : ndarray, shape (n,), optional
        Weights of rows, ≥ 0.
    class_weight : ndarray, shape (n_classes,), optional
        Weights of classes, which multiply those of rows.
    groups : ndarray, shape (n,), optional
        Rows of equal value are left out together, and so are, with or without groups, copies of a row.
    keys : ndarray of uint64, shape (n,), optional
        Numbers that follow the rows wherever they stand: of many rows, those that choose alpha are dealt by
        them, so that the order of the rows does not matter. Without them rows go by their values.
    products : callable, optional
        Gives X Xᵀ, (n, n), where it is needed, so that fits on the same X can share it; it is left as it is.

    Raises
    ------
    DataError
        The labels are all of one class.
    DegenerateKernelError
        The features are the same for every row.
    ResourceError
        No way to fit keeps within the memory that is allowed.
    """
    if labels.min() == labels.max():
        raise DataError("The labels are all of one class; a classifier needs at least two.")
    counts = np.ones(len(X)) if counts is None else counts
    if class_weight is None:
        class_weight = np.ones(n_classes)
        if options.class_weight is not None:
            class_weight = balanced_weights(labels, counts, n_classes)
    weights = counts * class_weight[labels]
    if _cancels(X):
        X, products = X.astype(np.float64), None
    copies = identical_rows(X)
    if not copies.any():
        raise DegenerateKernelError(
            "The features are the same for every row; choose another encoding or layer."
        )
    together = copies if groups is None else joined_groups(np.asarray(groups), copies)
    plan = plan_fit(
        *X.shape,
        linear=options.kernel == "linear",
        components=options.components,
        budget=options.memory_budget(),
        integers=X.dtype == np.uint8,
    )
    seconds = {"generate": 0.0, "project": 0.0}
    start = time.perf_counter()
    targets = np.where(labels[:, None] == np.arange(n_classes), 1.0, -1.0)
    solving: dict[str, Any] = {
        "alpha_relative": None if options.alpha == "auto" else float(options.alpha),
        "weights": None if (weights == 1).all() else weights,
        "groups": together,
        "keys": row_keys(X) if keys is None else keys,
        "device": options.solve_device,
    }
    decision, fit = _solve(X, targets, options, plan, products, solving, seconds)
    seconds["fit"] = time.perf_counter() - start - sum(seconds.values())
    return FittedHead(
        decision,
        n_classes,
        fit_calibration(fit.loo_scores, labels, counts, together),
        fit.loo_scores,
        float(np.average(fit.loo_scores.argmax(axis=1) == labels, weights=counts)),
        class_weight,
        fit.alpha,
        fit.alpha_relative,
        plan.solver,
        plan.reason,
        fit.path,
        seconds,
        fit.trials,
    )


def _cancels(X: NDArray[Any]) -> bool:
    """Whether products of rows in single precision lose half of their digits to the rows' common mean."""
    if X.dtype not in (np.float16, np.float32):
        return False
    rows = X[:: max(1, len(X) // SPREAD_ROWS)].astype(np.float64)
    spread = float(((rows - rows.mean(axis=0)) ** 2).sum())
    return 0 < spread < float(np.sqrt(np.finfo(np.float32).eps)) * float((rows**2).sum())


def balanced_weights(labels: NDArray[np.integer], counts: Floats, n_classes: int) -> Floats:
    """Weights (n_classes,) with which every class weighs alike: Σ counts / (n_classes Σ_class counts)."""
    per_class = np.bincount(labels, weights=counts, minlength=n_classes)
    return np.asarray(counts.sum() / (n_classes * np.where(per_class > 0, per_class, 1)))


def _solve(
    X: NDArray[Any],
    targets: Floats,
    options: HeadOptions,
    plan: Plan,
    products: Callable[[], Floats] | None,
    solving: dict[str, Any],
    seconds: dict[str, float],
) -> tuple[Decision, RidgeFit]:
    """Solve as planned, and keep of it what predicting needs."""
    # Of two classes, whose scores are each other's negative, only the second is kept.
    columns = slice(1, 2) if targets.shape[1] == 2 else slice(None)
    device = options.solve_device
    if plan.components is None and options.kernel == "optical":
        K = optical_from_products(
            linear_kernel(X, device=device) if products is None else products().copy(), X
        )
        means = K.mean(axis=1)
        fit = solve_dual(K, targets, overwrite_K=True, **solving)
        coef = np.ascontiguousarray(fit.coef[:, columns])
        return Exact(X, coef, fit.intercept[columns], means, device), fit
    features: Any = X  # or what stands for a matrix that is not stored
    projection, random_state = None, 0
    if plan.components is not None:
        random_state = drawn_seed(options.random_state)
        projection = Projection(
            plan.components,
            drawn_seed(random_state),
            options.projection,
            options.camera,
            device=options.device,
        ).exposed(X)
        features = _Projected(projection, X, seconds)
        if plan.stored:
            features = features[np.arange(len(X))]
    if plan.solver == "primal":
        fit = solve_primal(features, targets, **solving)
        coef = np.ascontiguousarray(fit.coef.T[columns])
    else:
        shared = products if projection is None else None
        K = linear_kernel(features, device=device) if shared is None else shared().copy()
        fit = solve_dual(K, targets, overwrite_K=True, **solving)
        coef = _fold(features, np.ascontiguousarray(fit.coef[:, columns]))
    intercept = fit.intercept[columns]
    if projection is None:
        return Linear(coef, intercept, X.dtype), fit
    return RandomFeatures(coef, intercept, X.dtype, projection, random_state, X.shape[1]), fit


class _Projected:
    """Stands for the matrix φ(X), (n, k), where it does not fit in memory; gives rows by index.

    `seconds`' "generate" and "project" grow by the time each reading takes.
    """

    def __init__(self, projection: Projection, X: NDArray[Any], seconds: dict[str, float]) -> None:
        self.shape = (len(X), projection.n_components)
        self._projection, self._X, self._seconds = projection, X, seconds

    def __getitem__(self, index: NDArray[np.intp]) -> NDArray[Any]:
        start = time.perf_counter()
        features, generated = self._projection.timed(self._X[index])
        self._seconds["generate"] += generated
        self._seconds["project"] += time.perf_counter() - start - generated
        return np.asarray(features)


def _fold(X: NDArray[Any], dual_coef: Floats) -> Floats:
    """W = cᵀX, (c, m), in blocks of rows."""
    folded = np.zeros((dual_coef.shape[1], X.shape[1]))
    step = max(1, FOLD_ELEMENTS // X.shape[1])
    buffer = np.empty((min(step, len(X)), X.shape[1]))
    for start in range(0, len(X), step):
        block = buffer[: len(X) - start]
        np.copyto(block, X[start : start + step])
        folded += dual_coef[start : start + step].T @ block
    return folded
