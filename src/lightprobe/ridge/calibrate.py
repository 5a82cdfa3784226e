"""Scores to probabilities.

    p(class | x) = softmax(scale · scores)

with the one number `scale` fitted by log loss on leave-one-out scores, so that no photo is set aside. One
positive number keeps the order of the classes: the most probable class is the predicted one.
Targets are softened as in Platt (1999), 1/(n + 2) of the mass spread over the classes, which keeps the
scale finite when the scores separate the classes perfectly; n counts what was left out whole, and of weighted
rows their effective number, (Σ w)² / Σ w² (Kish 1965).

Ridge on targets −1 and +1 estimates 2 P(class | x) − 1. So where scores are weak, as of many classes that are
hard to tell apart,

    p(class | x) ∝ ((1 + score)₊ / 2 + floor)^scale

fits better. It has a second number, and is taken where it lowers the leave-one-out log loss by more than the
standard error of the difference. It keeps the order of classes, too: scores of a row sum to 2 − c, so that
the highest one is above −1.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError, ModelFileError

Floats = NDArray[np.float64]

FLOORS: Final = tuple(10.0 ** (half / 2) for half in range(-6, 0))  # 0.001 to 0.3
SEARCHED, SETTLED = 1e-3, 1e-10  # relative precision of the scale


@dataclass(frozen=True)
class Calibration:
    """p = softmax(scale · scores), or with a floor p ∝ ((1 + scores)₊ / 2 + floor)^scale."""

    scale: float
    floor: float | None = None

    def probabilities(self, scores: Floats) -> Floats:
        """Probabilities (n, c) of scores (n, c); rows sum to one."""
        logits = scores if self.floor is None else _log_shares(scores, self.floor)
        return softmax(self.scale * logits)

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, for a JSON file."""
        return {"scale": self.scale} | ({} if self.floor is None else {"floor": self.floor})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Calibration":
        """Read what `to_dict` wrote.

        Raises
        ------
        ModelFileError
            `scale` is missing or not a positive number, or there is a `floor` that is none.
        """
        for name in ("scale", *(("floor",) if "floor" in data else ())):
            number = data.get(name)
            if not isinstance(number, int | float) or not np.isfinite(number) or number <= 0:
                raise ModelFileError(f"The calibration's {name} is {number!r}; it must be a positive number.")
        return cls(float(data["scale"]), float(data["floor"]) if "floor" in data else None)


def softmax(scores: Floats) -> Floats:
    """exp(s_c) / Σ_c exp(s_c), rows (n, c) apart."""
    powers: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def fit_calibration(
    scores: Floats,
    labels: NDArray[np.intp],
    weights: Floats | None = None,
    units: NDArray[np.generic] | None = None,
) -> Calibration:
    """Find the scale, and where it pays the floor, of least log loss.

    Parameters
    ----------
    scores : (n, c) scores of rows by fits that have not seen them
    labels : (n,) integers in 0..c−1
    weights : (n,)
    units : (n,)
        Which rows were left out together: they are one observation.
    """
    n = len(scores)
    weights = np.ones(n) if weights is None else weights
    unit = np.arange(n) if units is None else np.unique(units, return_inverse=True)[1]
    totals = np.bincount(unit, weights)
    softening = 1 / (totals.sum() ** 2 / np.square(totals).sum() + 2)
    plain = Calibration(_scale(scores, labels, weights, softening, SETTLED))
    if not scores.shape[1] > 2:  # of two classes both are functions of one number
        return plain
    tried = []
    for floor in FLOORS:
        shares = _log_shares(scores, floor)
        scale = _scale(shares, labels, weights, softening, SEARCHED)
        tried.append((_losses(scale * shares, labels, softening), floor))
    losses, floor = min(tried, key=lambda pair: float(weights @ pair[0]))
    gained = _losses(plain.scale * scores, labels, softening) - losses
    gain = float(np.average(gained, weights=weights))
    error = float(np.sqrt(np.square(np.bincount(unit, weights * (gained - gain))).sum()) / weights.sum())
    if gain <= error:
        return plain
    return Calibration(_scale(_log_shares(scores, floor), labels, weights, softening, SETTLED), floor)


def _log_shares(scores: Floats, floor: float) -> Floats:
    return np.asarray(np.log(np.maximum(1 + scores, 0) / 2 + floor))


def _losses(logits: Floats, labels: NDArray[np.intp], softening: float) -> Floats:
    """Log loss (n,) against softened targets."""
    logs = logits - logits.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    own = logs[np.arange(len(logs)), labels]
    return np.asarray(-(1 - softening) * own - softening * logs.mean(axis=1))


def _scale(
    scores: Floats, labels: NDArray[np.intp], weights: Floats, softening: float, precision: float
) -> float:
    """Find the scale of least log loss of softmax(scale · scores)."""
    from scipy.optimize import brentq  # a fifth of a second that answering need not take

    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = float(np.sqrt(np.average((centred**2).mean(axis=1), weights=weights)))
    if spread == 0.0:
        return 1.0
    # The mean score of the softened target: the centred scores of a row average to zero.
    own = centred[np.arange(len(scores)), labels]
    wanted = (1 - softening) * np.average(own, weights=weights)

    def slope(scale: float) -> float:
        expected = (softmax(scale * centred) * centred).sum(axis=1)
        return float(np.average(expected, weights=weights) - wanted)

    # The loss is convex, so its slope has one root; scores that mislead get the flattest scale allowed.
    low, high = 1e-3 / spread, 1e4 / spread
    if slope(low) >= 0:
        return low
    if slope(high) <= 0:
        return high
    return float(brentq(slope, low, high, rtol=precision))


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
