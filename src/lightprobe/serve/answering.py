"""What answers are made with at one moment: replaced as a whole when the model has been taught."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.answers import Explanation, Prediction
from lightprobe.classifier import ImageClassifier
from lightprobe.classifier.answering import Answerer
from lightprobe.classifier.explaining import Explainer
from lightprobe.head import is_unknown
from lightprobe.optics import ENCODERS

MOST_REASONS: Final = 20  # training photos for an answer, and as many against it


class Answering:
    """A fitted model as it is now; what it holds is never changed, so many threads may use it.

    Parameters
    ----------
    model : ImageClassifier
        Its fitted parts are taken over; `update` gives it new ones.
    """

    def __init__(self, model: ImageClassifier) -> None:
        self._head, self._classes, self._kept = model.head_, model.classes_, model.kept_
        self._roster = model.kept_ if model.kept_ is not None else model.sums_
        self._encode = ENCODERS[model.choice_.encode]
        self._answerer = Answerer(
            model.head_, model.classes_, model.novelty_, len(model.classes_), None, None
        )
        self._lock = threading.Lock()
        self._explainer: Explainer | None = None

    def __call__(self, features: NDArray[np.float16]) -> Iterator["Answered"]:
        """Answer a batch (n, n_features) from the network."""
        encoded = self._encode(features)
        for row, prediction in zip(encoded, self._answerer(encoded), strict=True):
            yield Answered(self, row, prediction)

    def after(self, model: ImageClassifier) -> Self:
        """Return what answers once the model has been taught, ready to give reasons if this one was."""
        following = type(self)(model)
        if self._explainer is not None:
            following.explainer()
        return following

    def explainer(self) -> Explainer:
        """Return what gives reasons; made when first asked for, as it costs a pass over all training photos.

        Raises
        ------
        OptionError
            If the model keeps nothing of its training photos.
        """
        with self._lock:
            if self._explainer is None:
                self._explainer = Explainer(self._head, self._classes, self._kept, MOST_REASONS)
            return self._explainer

    def reasons(self, encoded: NDArray[Any], label: str, k: int) -> Explanation:
        """Name k training photos for and against a class, of a photo's encoded features (n_features,)."""
        (full,) = self.explainer()(encoded[None], np.flatnonzero(self._classes == label))
        return replace(
            full,
            arguments_for=full.arguments_for[:k],
            arguments_against=full.arguments_against[:k],
            nearest=full.nearest[:k],
        )

    @property
    def explains(self) -> bool:
        """Whether the model keeps what reasons need."""
        return self._kept is not None

    @cached_property
    def digests(self) -> dict[str, bytes]:
        """Digests of the training photos by name."""
        if self._roster is None:
            return {}
        return dict(zip(self._roster.names, map(bytes, self._roster.digests), strict=True))

    @cached_property
    def labels(self) -> dict[bytes, str]:
        """Classes of the training photos by digest."""
        if self._roster is None:
            return {}
        labels = self._classes[self._roster.labels].tolist()
        return dict(zip(map(bytes, self._roster.digests), labels, strict=True))


@dataclass(frozen=True)
class Answered:
    """One photo's answer with everything in it, and what a reason for it takes."""

    answering: Answering
    encoded: NDArray[Any]
    answer: Prediction

    def prediction(self, name: str, top: int, unknown: float | None, why: int) -> Prediction:
        """Return what was asked for of it; see `Service.predict`."""
        full = self.answer
        return replace(
            full,
            path=name,
            labels=full.labels[:top],
            probabilities=full.probabilities[:top],
            unknown=is_unknown(full.novelty, unknown),
            why=self.answering.reasons(self.encoded, full.labels[0], why) if why else None,
        )
