"""What a model says of photos."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightprobe.images import Skipped


@dataclass(frozen=True)
class Prediction:
    """The answer for one photo.

    Attributes
    ----------
    path : str
        The photo.
    labels : tuple of str
        Classes, the most probable first; empty if the photo cannot be decoded.
    probabilities : tuple of float
        Their probabilities.
    error : str
        Why there is no answer; empty if there is one.
    """

    path: str
    labels: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Tested:
    """What a model says of photos whose class is known.

    Attributes
    ----------
    paths : tuple of str
        The photos that could be decoded.
    labels : ndarray of int64, shape (n,)
        Their classes, as indices into the model's.
    probabilities : ndarray, shape (n, n_classes)
        The model's answers.
    skipped : tuple of Skipped
        The photos that could not be decoded.
    seconds : float
        What looking and answering cost.
    """

    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    skipped: tuple[Skipped, ...]
    seconds: float
