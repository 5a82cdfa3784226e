"""Scores to probabilities.

    p(class | x) = softmax(scale · scores)

with the one number `scale` fitted by log loss on leave-one-out scores, so that no photo is set aside. One
positive number keeps the order of the classes: the most probable class is the predicted one.
Targets are softened as in Platt (1999), 1/(n + 2) of the mass spread over the classes, which keeps the
scale finite when the scores separate the classes perfectly.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError, ModelFileError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """p = softmax(scale · scores)."""

    scale: float

    def probabilities(self, scores: Floats) -> Floats:
        """Probabilities (n, c) of scores (n, c); rows sum to one."""
        return softmax(self.scale * scores)

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, for a JSON file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Calibration":
        """Read what `to_dict` wrote.

        Raises
        ------
        ModelFileError
            `scale` is missing or not a positive number.
        """
        scale = data.get("scale")
        if not isinstance(scale, int | float) or not np.isfinite(scale) or scale <= 0:
            raise ModelFileError(f"The calibration's scale is {scale!r}; it must be a positive number.")
        return cls(float(scale))


def softmax(scores: Floats) -> Floats:
    """exp(s_c) / Σ_c exp(s_c), rows (n, c) apart."""
    powers: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def fit_calibration(scores: Floats, labels: NDArray[np.intp], weights: Floats | None = None) -> Calibration:
    """Find the scale of least log loss.

    Parameters
    ----------
    scores : (n, c) scores of rows by fits that have not seen them
    labels : (n,) integers in 0..c−1
    weights : (n,)
    """
    from scipy.optimize import brentq  # a fifth of a second that answering need not take

    n = len(scores)
    weights = np.ones(n) if weights is None else weights
    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = float(np.sqrt(np.average((centred**2).mean(axis=1), weights=weights)))
    if spread == 0.0:
        return Calibration(1.0)
    softening = 1 / (weights.sum() + 2)
    # The mean score of the softened target: the centred scores of a row average to zero.
    wanted = (1 - softening) * np.average(centred[np.arange(n), labels], weights=weights)

    def slope(scale: float) -> float:
        expected = (softmax(scale * centred) * centred).sum(axis=1)
        return float(np.average(expected, weights=weights) - wanted)

    # The loss is convex, so its slope has one root; scores that mislead get the flattest scale allowed.
    low, high = 1e-3 / spread, 1e4 / spread
    if slope(low) >= 0:
        return Calibration(low)
    if slope(high) <= 0:
        return Calibration(high)
    return Calibration(float(brentq(slope, low, high, rtol=1e-10)))


def expected_calibration_error(probabilities: Floats, labels: NDArray[np.intp], bins: int = 15) -> float:
    """Σ_b (n_b/n) · |accuracy_b − confidence_b| over equal-width bins of the top probability.

    Guo et al. 2017, "On calibration of modern neural networks".

    Parameters
    ----------
    probabilities : (n, c)
    labels : (n,) integers in 0..c−1
    bins : int
    """
    if len(probabilities) == 0:
        raise DataError("The calibration error of no predictions is not defined; at least one is needed.")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(which, weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


def calibration_error_limit(
    probabilities: Floats, *, share: float = 0.95, draws: int = 1000, bins: int = 15, random_state: int = 0
) -> float:
    """Calibration error that a perfectly calibrated predictor stays below with this chance.

    Few photos give an error above zero by luck alone: whether each top answer is right is drawn from its own
    confidence, many times (the consistency resampling of Bröcker & Smith 2007).

    Parameters
    ----------
    probabilities : (n, c)
    share : float
        The quantile of the drawn errors.
    draws, bins, random_state : int
    """
    confidence = probabilities.max(axis=1)
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    rng = np.random.default_rng(random_state)
    errors = np.empty(draws)
    for draw in range(draws):
        right = rng.random(len(confidence)) < confidence
        errors[draw] = np.abs(np.bincount(which, right - confidence, bins)).sum() / len(confidence)
    return float(np.quantile(errors, share))
