"""Where in a photo the evidence for a class lies: exactly if the scores allow it, else by covering parts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.backprop import TrainedModel
from lightprobe.classifier import Fitted
from lightprobe.head import Exact, Linear
from lightprobe.photo_model import PhotoModel, features_of
from lightprobe.runtime import Runtime

Floats = NDArray[np.float64]
# Parts of a photo that are covered one by one, along each side, where nothing better can be done.
PARTS = 8


def exact_saliency(model: PhotoModel, maps: Floats, which: int) -> Floats | None:
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
    if isinstance(model, TrainedModel):
        return _by_position(positions, model.weight.astype(float), which, maps.shape[1:])
    if not isinstance(model, Fitted):
        return None
    decision, choice = model.head.decision, model.choice
    if choice.taps.pool != "avg" or choice.encode not in ("none", "l2"):
        return None
    length = float(np.linalg.norm(pooled)) if choice.encode == "l2" else 1.0
    if isinstance(decision, Linear):
        weights = decision.coef / length
    elif isinstance(decision, Exact):
        seen, coefficients = decision.rows.astype(float), decision.dual_coef
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


def occlusion_saliency(model: PhotoModel, pixels: NDArray[np.uint8], which: int, runtime: Runtime) -> Floats:
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
    covered = [pixels]
    for i in range(PARTS):
        for j in range(PARTS):
            changed = pixels.copy()
            changed[rows[i] : rows[i + 1], columns[j] : columns[j + 1]] = colour
            covered.append(changed)
    probabilities = model.probabilities(features_of(model, np.stack(covered), runtime))[:, which]
    lost: Floats = (probabilities[0] - probabilities[1:]).reshape(PARTS, PARTS)
    return lost


def _by_position(positions: Floats, weights: Floats, which: int, shape: Any) -> Floats:
    contrast = weights[which] - weights.mean(axis=0)
    evidence: Floats = (positions @ contrast / len(positions)).reshape(shape)
    return evidence
