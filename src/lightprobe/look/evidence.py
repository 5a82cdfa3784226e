"""Where in a photo the evidence for a class lies: exactly if the scores allow it, else by covering parts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.classifier import ImageClassifier
from lightprobe.models import Model

Floats = NDArray[np.float64]
# Parts of a photo that are covered one by one, along each side, where nothing better can be done.
PARTS = 8


def exact_evidence(model: Model, maps: Floats, which: int) -> Floats | None:
    """Share the score of a class among the positions of a feature map; None where that is not exact.

    With average pooling, x = Σ_p f_p / P. A linear score w·x/|x| is Σ_p w·f_p / (P |x|): a class activation
    map (Zhou et al. 2016, arXiv 1512.04150). The optical kernel's Σ_i c_i (x_i·x)² / |x|² = xᵀMx / |x|² is a
    quadratic form, of which f_pᵀMx / (P |x|²) is position p's Shapley value: half of every interaction with
    another position, all of it with itself. Lengths |x| are held fixed. Of each class the mean over all
    classes is taken away, since only differences decide.

    Parameters
    ----------
    maps : ndarray, shape (channels, h, w)
        What the model's last layer makes of the photo.
    which : int
        The class.

    Returns
    -------
    ndarray, shape (h, w)
    """
    positions = maps.reshape(len(maps), -1).T
    pooled = positions.mean(axis=0)
    if not isinstance(model, ImageClassifier):
        weights = model.weight_.astype(float)
        return _by_position(positions, weights, which, maps.shape[1:])
    head, choice = model.head_, model.choice_
    if choice.tap.pool != "avg" or choice.encode not in ("none", "l2"):
        return None
    length = float(np.linalg.norm(pooled)) if choice.encode == "l2" else 1.0
    if head.kernel == "linear" and hasattr(head, "coef_"):
        weights = np.asarray(head.coef_, dtype=float) / length
    elif hasattr(head, "X_fit_"):
        seen, coefficients = head.X_fit_.astype(float), head.dual_coef_
        x = pooled / length
        weights = (coefficients * (seen @ x)[:, None]).T @ seen
        # The kernel's other part, |x_i|²|x|², is a quadratic form as well: a multiple of x.
        weights += (coefficients.T @ (seen**2).sum(axis=1))[:, None] * x
        weights /= length
    else:
        return None
    if len(weights) == 1:  # of two classes, the second one's
        weights = np.concatenate([-weights, weights])
    return _by_position(positions, weights, which, maps.shape[1:])


def covered_evidence(model: Model, pixels: NDArray[np.uint8], which: int) -> Floats:
    """Cover each part of a photo with its mean colour: by how much the class becomes less probable.

    Occlusion, Zeiler and Fergus 2014 (arXiv 1311.2901).

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)

    Returns
    -------
    ndarray, shape (PARTS, PARTS)
    """
    height, width = pixels.shape[:2]
    rows, columns = (np.linspace(0, side, PARTS + 1).astype(int) for side in (height, width))
    colour = pixels.mean(axis=(0, 1)).astype(np.uint8)
    views = [pixels]
    for i in range(PARTS):
        for j in range(PARTS):
            view = pixels.copy()
            view[rows[i] : rows[i + 1], columns[j] : columns[j + 1]] = colour
            views.append(view)
    probabilities = model.predict_proba(np.stack(views))[:, which]
    lost: Floats = (probabilities[0] - probabilities[1:]).reshape(PARTS, PARTS)
    return lost


def _by_position(positions: Floats, weights: Floats, which: int, shape: Any) -> Floats:
    contrast = weights[which] - weights.mean(axis=0)
    evidence: Floats = (positions @ contrast / len(positions)).reshape(shape)
    return evidence
