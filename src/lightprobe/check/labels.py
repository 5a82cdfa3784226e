"""Labels that look wrong, with a calibrated chance that they are.

A label y is taken for the true one t with chance 1 − ε, or any other of the C classes. With the network's
leave-one-out scores s(x) of a photo that the model has not seen,

    p(t | x) = softmax(β s(x)),      P(y | x) = (1 − ε) p(y | x) + ε (1 − p(y | x)) / (C − 1)
    P(wrong | x, y) = ε (1 − p(y | x)) / (C − 1) / P(y | x)

β and ε are those of greatest likelihood of all labels, with a weak prior ε (1 − ε)²⁰, so the share of wrong
labels is estimated, not asked for. Then every photo is given the weight P(right), the ridge is solved once
more with these weights, and the chances are taken from that: wrong labels mislead their neighbours less.

The penalty is the one of least squared error by leave-one-out on a quarter of many photos. The error is
smoother in the penalty than accuracy is, so fewer photos tell it: a search by accuracy on all photos ranks no
better and takes most of the time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, softmax
from sklearn.base import clone

from lightprobe.check.findings import Finding
from lightprobe.head import OpticalRidge
from lightprobe.images import ImageSet, sample_mask

Floats = NDArray[np.float64]

LEAST_CHANCE: Final = 0.2  # from here on a label is reported
PRIOR: Final = (1.0, 20.0)  # exponents of ε and 1 − ε: data without a single wrong label are rare
LEAST_WEIGHT: Final = 0.01
MOST_WRONG: Final = 0.8
LEAST_ROWS: Final = 500  # as many photos, or a quarter of all, tell the penalty, at a small part of the work
TINY: Final = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class LabelNoise:
    """What leave-one-out says of labels.

    Attributes
    ----------
    chance : (n,)
        That a label is wrong.
    suggested : (n,)
        The most probable class, given everything but the label.
    rate : float
        Share of wrong labels, ε.
    """

    chance: Floats
    suggested: NDArray[np.intp]
    rate: float


def label_noise(scores: Floats, labels: NDArray[np.integer]) -> LabelNoise:
    """Fit ε and β to leave-one-out scores (n, c) and labels (n,)."""
    n, n_classes = scores.shape
    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = float(np.sqrt(np.mean(centred**2)))
    if spread == 0.0:
        return LabelNoise(np.zeros(n), labels.astype(np.intp), 0.0)
    unit = centred / spread

    def chances(parameters: Floats) -> tuple[Floats, Floats, float]:
        rate = MOST_WRONG * float(expit(parameters[1]))
        own = softmax(np.exp(parameters[0]) * unit, axis=1)[np.arange(n), labels]
        wrong = rate * (1 - own) / (n_classes - 1)
        return wrong, (1 - rate) * own + wrong, rate

    def cost(parameters: Floats) -> float:
        _, likelihood, rate = chances(parameters)
        prior = PRIOR[0] * math.log(max(rate, TINY)) + PRIOR[1] * math.log1p(-rate)
        loss: float = -(np.log(np.maximum(likelihood, TINY)).sum() + prior) / n
        return loss

    fitted = minimize(cost, np.array([1.0, -3.0]), method="Nelder-Mead")
    wrong, total, rate = chances(fitted.x)
    others = np.where(np.arange(n_classes) == labels[:, None], -np.inf, scores)
    chance = wrong / np.maximum(total, TINY)
    return LabelNoise(chance, others.argmax(axis=1), rate)


@dataclass(frozen=True)
class Suspicion:
    """Chances that labels are wrong, and the head that they were first read from.

    Attributes
    ----------
    noise : LabelNoise
        Of the second fit.
    head : OpticalRidge
        The first fit, which trusts all labels alike.
    """

    noise: LabelNoise
    head: OpticalRidge

    @property
    def refit(self) -> OpticalRidge:
        """The same head, unfitted, its penalty and kind fixed."""
        fixed = {"alpha": self.head.alpha_relative_, "components": self.head.n_components_ or "exact"}
        unfitted: OpticalRidge = clone(self.head).set_params(**fixed)
        return unfitted


def suspect_labels(
    X: NDArray[Any],
    labels: NDArray[np.integer],
    copies: NDArray[np.intp] | None = None,
    *,
    device: str = "auto",
    random_state: int = 0,
) -> Suspicion:
    """Fit twice, the second time with every photo's weight the chance that its label is right.

    Parameters
    ----------
    X : (n, m)
        Encoded features.
    labels : (n,) integers in 0..c−1, each class occurring
    copies : (n,), optional
        Photos of the same picture share a number and are left out together: none vouches for its copy.
    """
    head = OpticalRidge(kernel="optical", device=device, random_state=random_state)
    head.set_params(alpha=_penalty(head, X, labels, copies)).fit(X, labels, groups=copies)
    first = label_noise(head.loo_scores_, labels)
    suspicion = Suspicion(first, head)
    weights = np.maximum(1 - first.chance, LEAST_WEIGHT)
    again = suspicion.refit.fit(X, labels, sample_weight=weights, groups=copies)
    return replace(suspicion, noise=label_noise(again.loo_scores_, labels))


def _penalty(
    head: OpticalRidge, X: NDArray[Any], labels: NDArray[np.integer], copies: NDArray[np.intp] | None
) -> float:
    """Find the relative penalty of least squared error, of many photos on a quarter of them."""
    rows = sample_mask(labels, max(LEAST_ROWS, len(X) // 4))
    searched = clone(head).fit(X[rows], labels[rows], groups=None if copies is None else copies[rows])
    penalty: float = min(searched.alpha_path_, key=lambda point: point.loo_mse).alpha_relative
    return penalty


def label_findings(noise: LabelNoise, images: ImageSet, names: Sequence[str]) -> list[Finding]:
    """Report the labels that are doubtful; `names` are what `noise.suggested` counts."""
    return [
        Finding(
            images.paths[i],
            "suspicious-label",
            f"labelled {images.classes[images.labels[i]]}; wrong with a chance of {noise.chance[i]:.0%}",
            names[noise.suggested[i]],
            severity=float(noise.chance[i]),
        )
        for i in np.flatnonzero(noise.chance >= LEAST_CHANCE)
    ]
