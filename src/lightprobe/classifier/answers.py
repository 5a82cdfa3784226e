"""From encoded features to answers: classes, novelty, and the training photos that argued."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.classifier.training_record import TrainingRows
from lightprobe.head import Attribution, Conformal, FittedHead, Novelty, Scored, Scorer, is_unknown
from lightprobe.photo_model import Argument, Explanation, Prediction, most_probable

Floats = NDArray[np.float64]


class Explainer:
    """Names the training photos that argued for and against a prediction, and the nearest ones.

    Parameters
    ----------
    head : FittedHead
    classes : tuple of str
    record : TrainingRows
        The training photos.
    """

    def __init__(self, head: FittedHead, classes: tuple[str, ...], record: TrainingRows) -> None:
        self._attribution = Attribution(head, record.rows, record.labels)
        self._classes, self._record = classes, record

    def __call__(
        self, encoded: NDArray[Any], best: NDArray[np.intp], k: int, scored: Scored | None = None
    ) -> list[Explanation]:
        """Explain the score of class `best` (n,) for encoded photos (n, m), naming k photos in each list.

        `scored` is what scoring them left.
        """
        kernel, cosines = self._attribution.compare(encoded, scored)
        base = self._attribution.base
        return [
            Explanation(
                self._classes[label],
                float(base[label] + row.sum()),
                float(base[label]),
                self._named((i for i in np.argsort(-row, kind="stable")[:k] if row[i] > 0), row),
                self._named((i for i in np.argsort(row, kind="stable")[:k] if row[i] < 0), row),
                self._named(np.argsort(-near, kind="stable")[:k], near),
            )
            for row, near, label in zip(self._attribution(kernel, best), cosines, best, strict=True)
        ]

    def _named(self, chosen: Iterable[int], values: Floats) -> tuple[Argument, ...]:
        record = self._record
        return tuple(
            Argument(record.names[i], self._classes[record.labels[i]], float(values[i])) for i in chosen
        )


class EncodedAnswerer:
    """Turns encoded features into answers."""

    def __init__(
        self,
        head: FittedHead,
        classes: tuple[str, ...],
        novelty: Novelty,
        rows: NDArray[Any] | None = None,
    ) -> None:
        self._scorer, self._calibration = Scorer(head, novelty, rows), head.calibration
        self._classes = classes

    def __call__(
        self,
        encoded: NDArray[Any],
        top: int,
        unknown: float | None = None,
        explainer: Explainer | None = None,
        why: int = 0,
        sets: Conformal | None = None,
        coverage: float | None = None,
    ) -> Iterator[Prediction]:
        """Answer for photos (n, n_features), one by one; paths are left empty.

        Parameters
        ----------
        top : int
            How many classes an answer names.
        unknown : float or None
            The share of known photos that may be called unknown; None calls none so.
        explainer : Explainer or None
            Says why, where that is wanted.
        why : int
            Training photos that each list of a reason names.
        sets : Conformal or None
            What makes sets of labels that hold the right one, where they are wanted.
        coverage : float or None
            How often they are to hold it.
        """
        scored = self._scorer(encoded)
        probabilities = self._calibration.probabilities(scored.scores)
        reasons: list[Explanation] | list[None] = [None] * len(encoded)
        if explainer is not None:
            reasons = explainer(encoded, probabilities.argmax(axis=1), why, scored)
        label_sets: list[tuple[str, ...] | None] = [None] * len(encoded)
        if sets is not None and coverage is not None:
            held = sets.holds(probabilities, coverage)
            order = np.argsort(-probabilities, axis=1, kind="stable")
            label_sets = [
                tuple(self._classes[k] for k in best if row[k]) for best, row in zip(order, held, strict=True)
            ]
        answers = most_probable(probabilities, self._classes, top)
        news = scored.novelty.tolist()
        for answer, new, reason, labels in zip(answers, news, reasons, label_sets, strict=True):
            yield replace(answer, novelty=new, unknown=is_unknown(new, unknown), why=reason, label_set=labels)
