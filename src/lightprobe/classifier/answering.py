"""What is said of each photo, in the order of the photos though batches finish out of order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lightprobe.answers import Explanation, Prediction
from lightprobe.classifier.explaining import Explainer
from lightprobe.features import Chunk
from lightprobe.head import Novelty, OpticalRidge, Scorer, check_rate, is_unknown


class Answerer:
    """Turns encoded features into answers.

    Parameters
    ----------
    head, classes, novelty
        The fitted parts of a model.
    top : int
        How many classes an answer names.
    unknown : float or None
        The share of known photos that may be called unknown; None calls none so.
    explainer : Explainer or None
        Says why, if it is wanted.

    Raises
    ------
    OptionError
        If `unknown` is not between 0 and 1.
    """

    def __init__(
        self,
        head: OpticalRidge,
        classes: NDArray[np.str_],
        novelty: Novelty,
        top: int,
        unknown: float | None,
        explainer: Explainer | None,
    ) -> None:
        if unknown is not None:
            check_rate(unknown)
        self._scorer, self._calibration, self._classes = Scorer(head, novelty), head.calibration_, classes
        self._top, self._unknown, self._explainer = top, unknown, explainer

    def __call__(self, encoded: NDArray[np.generic]) -> Iterator[Prediction]:
        """Answer for photos (n, n_features), one by one; paths are left empty."""
        scores, novelty = self._scorer(encoded)
        probabilities = self._calibration.probabilities(scores)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        why: list[Explanation] | list[None] = [None] * len(scores)
        if self._explainer is not None:
            why = self._explainer(encoded, order[:, 0])
        for row, best, new, reason in zip(
            probabilities, order[:, : self._top], novelty.tolist(), why, strict=True
        ):
            labels, chances = tuple(self._classes[best].tolist()), tuple(row[best].tolist())
            unknown = is_unknown(new, self._unknown)
            yield Prediction("", labels, chances, novelty=new, unknown=unknown, why=reason)


def in_order(
    paths: Sequence[str], chunks: Iterable[Chunk], answer: Callable[[Chunk], Iterable[Prediction]]
) -> Iterator[Prediction]:
    """Yield one answer a photo, in the order of `paths`; only those that wait for an earlier one are held.

    Parameters
    ----------
    paths : sequence of str
        Names of the photos.
    chunks : iterable of Chunk
        Every photo in exactly one of them, in any order; a photo that failed is answered with its error.
    answer : callable
        From a chunk with features to one answer a row; the path is filled in here.
    """
    ready: dict[int, Prediction] = {}
    position = 0
    for chunk in chunks:
        for index, reason in chunk.failed.items():
            ready[index] = Prediction(paths[index], error=reason)
        if chunk.features:
            for index, prediction in zip(chunk.indices.tolist(), answer(chunk), strict=True):
                ready[index] = replace(prediction, path=paths[index])
        while position in ready:
            yield ready.pop(position)
            position += 1
