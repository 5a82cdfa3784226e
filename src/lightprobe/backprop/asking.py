"""A softmax head behind a network: how the methods by gradients answer."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from lightprobe.answers import Prediction
from lightprobe.backbones import Backbone, Tap
from lightprobe.classifier.asking import Answering, PhotoClassifier
from lightprobe.errors import OptionError


class SoftmaxClassifier(PhotoClassifier):
    """p = softmax(W f(x) + b), where f is a network averaged over positions.

    Attributes
    ----------
    weight_, bias_ : ndarray of float32, shapes (n_classes, n_features) and (n_classes,)
    """

    weight_: NDArray[np.float32]
    bias_: NDArray[np.float32]

    @property
    def backbone_(self) -> Backbone:
        """The network up to its cut."""
        return self.network_.backbone

    @property
    def tap_(self) -> Tap:
        """The network's output, averaged over positions."""
        return Tap(self.network_.backbone.cut, "avg")

    def decision_function(self, data: Any) -> NDArray[np.float64]:
        """Logarithms of the probabilities, shape (n, n_classes); `data` and errors as for `predict_proba`."""
        return np.log(np.maximum(self.predict_proba(data), np.finfo(float).tiny))

    def _probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        scores = features.astype(np.float32) @ self.weight_.T + self.bias_
        probabilities: NDArray[np.float64] = softmax(scores.astype(np.float64), axis=1)
        return probabilities

    def _answering(self, top: int, unknown: float | None, why: int) -> Answering:
        if unknown is not None or why:
            raise OptionError(
                "Only the closed form can say unknown or why, and this model was trained by gradients: "
                "train with --method optical for that."
            )

        def answers(features: NDArray[np.float16]) -> Iterator[Prediction]:
            for row in self._probabilities(features):
                order = np.argsort(-row, kind="stable")[:top]
                yield Prediction("", tuple(self.classes_[order].tolist()), tuple(row[order].tolist()))

        return answers
