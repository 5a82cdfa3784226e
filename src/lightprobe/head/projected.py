"""Random features that are made when they are asked for."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.optics.project import OpticalFeatures


class Projected:
    """Stands for the matrix φ(X), (n, k), where it does not fit in memory; gives rows by index.

    Parameters
    ----------
    features : OpticalFeatures
        Fitted.
    X : (n, m)
    seconds : dict
        Its "generate" and "project" grow by the time each reading takes.
    """

    def __init__(self, features: OpticalFeatures, X: NDArray[Any], seconds: dict[str, float]) -> None:
        self.shape = (len(X), int(features.n_components))
        self._features, self._X, self._seconds = features, X, seconds

    def __getitem__(self, index: NDArray[np.intp]) -> NDArray[Any]:
        start = time.perf_counter()
        features = np.asarray(self._features.transform(self._X[index]))
        generated = self._features.generate_seconds_
        self._seconds["generate"] += generated
        self._seconds["project"] += time.perf_counter() - start - generated
        return features
