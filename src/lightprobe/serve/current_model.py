"""What answers are made with at one moment: replaced as a whole when the model has been taught."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.classifier import Explainer, Fitted, TrainingRows
from lightprobe.head import is_unknown
from lightprobe.photo_model import Explanation, Prediction

MOST_REASONS: Final = 20  # training photos for an answer, and as many against it


class Answering:
    """A fitted model as it is now; what it holds is never changed, so many threads may use it.

    Parameters
    ----------
    model : Fitted
    """

    def __init__(self, model: Fitted) -> None:
        self.model = model
        self._answers = model.answers
        self._lock = threading.Lock()
        self._explainer: Explainer | None = None

    def __call__(self, features: NDArray[np.float16]) -> Iterator["Answered"]:
        """Answer a batch (n, n_features) from the network."""
        encoded = self.model.encode(features)
        answers = self._answers(encoded, len(self.model.classes))
        for row, prediction in zip(encoded, answers, strict=True):
            yield Answered(self, row, prediction)

    def after(self, model: Fitted) -> Self:
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
                self._explainer = self.model.explainer
            return self._explainer

    def reasons(self, encoded: NDArray[Any], label: str, k: int) -> Explanation:
        """Name k training photos for and against a class, of a photo's encoded features (n_features,)."""
        which = np.array([self.model.classes.index(label)])
        (reasons,) = self.explainer()(encoded[None], which, k)
        return reasons

    @property
    def explains(self) -> bool:
        """Whether the model keeps what reasons need."""
        return isinstance(self.model.record, TrainingRows)

    @cached_property
    def digests(self) -> dict[str, bytes]:
        """Digests of the training photos by name."""
        record = self.model.record
        if record is None:
            return {}
        return dict(zip(record.names, map(bytes, record.digests), strict=True))

    @cached_property
    def labels(self) -> dict[bytes, str]:
        """Classes of the training photos by digest."""
        record = self.model.record
        if record is None:
            return {}
        labels = [self.model.classes[label] for label in record.labels]
        return dict(zip(map(bytes, record.digests), labels, strict=True))


@dataclass(frozen=True)
class Answered:
    """One photo's answer with everything in it, and what a reason for it takes."""

    answering: Answering
    encoded: NDArray[Any]
    answer: Prediction

    def prediction(
        self, name: str, top: int, unknown: float | None, why: int, coverage: float | None = None
    ) -> Prediction:
        """Return what was asked for of it; see `Service.predict`."""
        full, model = self.answer, self.answering.model
        return replace(
            full,
            path=name,
            labels=full.labels[:top],
            probabilities=full.probabilities[:top],
            unknown=is_unknown(full.novelty, unknown),
            label_set=None if coverage is None else model.label_set(full, coverage),
            why=self.answering.reasons(self.encoded, full.labels[0], why) if why else None,
        )
