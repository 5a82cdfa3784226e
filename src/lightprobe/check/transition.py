"""Which labels photos of each class are given: systematic errors beside uniform noise.

    T[t, y] = P(label y | true class t)

T is found by expectation-maximisation from leave-one-out scores s(x), with p(t | x) = softmax(β s(x)):

    r_i(t) ∝ p(t | x_i) T[t, y_i],      T[t, y] ∝ Σ_{i: y_i = y} r_i(t) + D 1[t = y]

β maximises the likelihood in between, and D = 20 right labels a class are a strong prior on the diagonal.
Two classes that are hard to tell apart have entries above zero, too. So an entry is taken for systematic only
where it is at least 0.07 and half of the leave-one-out error, stands for ten photos, and is not the shadow of
a flow twice as large in the other direction. All other wrong labels are uniform, with a share ε.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax

Floats = NDArray[np.float64]

DIAGONAL: Final = 20.0  # right labels a class that stand in as a prior
LEAST_FLOW: Final = 0.07
ERROR_SHARE: Final = 0.5  # of the leave-one-out error
LEAST_PHOTOS: Final = 10
START: Final = 0.02  # wrong labels that the search starts from
STEPS: Final = 40
SETTLED: Final = 1e-3
LOG_SCALES: Final = (-2.0, 5.0)  # of β, for scores of unit spread
TINY: Final = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class Transition:
    """How labels come from true classes.

    Attributes
    ----------
    rate : float
        Share of labels that are wrong at random, ε.
    flows : (c, c)
        Share of each true class that has each other label by a systematic error; zero where there is none.
    """

    rate: float
    flows: Floats

    def matrix(self) -> Floats:
        """Return P(label | true class), (c, c)."""
        n = len(self.flows)
        uniform = self.rate / (n - 1)
        wrong = np.maximum(self.flows, uniform)
        np.fill_diagonal(wrong, 0.0)
        return wrong + np.diag(1 - wrong.sum(axis=1))


def find_flows(unit: Floats, labels: NDArray[np.integer]) -> Floats:
    """Estimate the systematic entries of T, (c, c), from scores of unit spread (n, c) and labels (n,)."""
    n_classes = unit.shape[1]
    T = np.full((n_classes, n_classes), START / (n_classes - 1))
    np.fill_diagonal(T, 1 - START)
    given = [np.flatnonzero(labels == label) for label in range(n_classes)]
    photos = np.zeros_like(T)
    for step in range(STEPS):
        if step % 4 == 0:
            log_scale = _best_scale(unit, T[:, labels].T)
        together = softmax(np.exp(log_scale) * unit, axis=1) * T[:, labels].T
        true = together / np.maximum(together.sum(axis=1, keepdims=True), TINY)
        photos = np.column_stack([true[rows].sum(axis=0) for rows in given])
        counted = photos + DIAGONAL * np.eye(n_classes)
        previous, T = T, np.maximum(counted / counted.sum(axis=1, keepdims=True), TINY)
        if np.abs(T - previous).max() < SETTLED:
            break
    error = float((unit.argmax(axis=1) != labels).mean())
    systematic = (max(LEAST_FLOW, ERROR_SHARE * error) <= T) & (photos >= LEAST_PHOTOS) & (T >= T.T / 2)
    np.fill_diagonal(systematic, val=False)
    return np.where(systematic, T, 0.0)


def _best_scale(unit: Floats, likelihood: Floats) -> float:
    """Find log β of greatest likelihood, given P(y_i | t), (n, c)."""

    def cost(log_scale: float) -> float:
        together = (softmax(np.exp(log_scale) * unit, axis=1) * likelihood).sum(axis=1)
        loss: float = -np.log(np.maximum(together, TINY)).mean()
        return loss

    found: Any = minimize_scalar(cost, bounds=LOG_SCALES, method="bounded", options={"xatol": 1e-2})
    return float(found.x)
