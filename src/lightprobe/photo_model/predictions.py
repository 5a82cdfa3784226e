"""What a model says of photos, and in which order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightprobe.features import Chunk
from lightprobe.images import Skipped

Key = TypeVar("Key")


SHOWN_PAIRS = 8  # confusions that a notebook shows
_SHARES = ("recall", "precision")


@dataclass(frozen=True)
class Argument:
    """A training photo and what it has to do with another one.

    Attributes
    ----------
    path, label : str
        The training photo and its class.
    value : float
        Its share in the score, or its cosine, as its list says.
    """

    path: str
    label: str
    value: float


@dataclass(frozen=True)
class Explanation:
    """Why a photo got its score: score = base + the shares of all training photos, of which some are named.

    A share is c_i k°(x_i, x), with dual coefficients c and the kernel centred on the training photos; `base`
    is the score that knows nothing of the photo.

    Attributes
    ----------
    label : str
        The class whose score it is: the predicted one.
    score, base : float
    arguments_for, arguments_against : tuple of Argument
        The training photos of the largest positive and negative shares, the strongest first.
    nearest : tuple of Argument
        Those whose encoded features are nearest by cosine.
    """

    label: str
    score: float
    base: float
    arguments_for: tuple[Argument, ...]
    arguments_against: tuple[Argument, ...]
    nearest: tuple[Argument, ...]


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
    novelty : float or None
        How unlike the training photos it is: the share of them that, left out, look less novel.
    unknown : bool or None
        Whether it is so novel that no class should be believed; None where it was not asked.
    why : Explanation or None
        Where it was asked for.
    label_set : tuple of str or None
        Where a coverage was asked for: the labels that an answer of that coverage holds, the most probable
        first; empty if none is probable enough.
    """

    path: str
    labels: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    error: str = ""
    novelty: float | None = None
    unknown: bool | None = None
    why: Explanation | None = None
    label_set: tuple[str, ...] | None = None


@dataclass(frozen=True, repr=False)
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
    classes : tuple of str
        Names of the classes.
    """

    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    skipped: tuple[Skipped, ...]
    seconds: float
    classes: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of the photos that are right."""
        return float(np.mean(self.probabilities.argmax(axis=1) == self.labels))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Photos of class i that were called j, shape (n_classes, n_classes)."""
        n = len(self.classes)
        cells = np.bincount(self.labels * n + self.probabilities.argmax(axis=1), minlength=n * n)
        return cells.reshape(n, n)

    @property
    def per_class(self) -> dict[str, dict[str, float]]:
        """Of each class its photos (`n`), and the shares `recall` and `precision`; NaN where none are."""
        cells = self.confusion
        with np.errstate(invalid="ignore"):
            recall, precision = np.diagonal(cells) / cells.sum(axis=1), np.diagonal(cells) / cells.sum(axis=0)
        return {
            name: {"n": int(cells[i].sum()), "recall": float(recall[i]), "precision": float(precision[i])}
            for i, name in enumerate(self.classes)
        }

    def __repr__(self) -> str:
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        n, n_classes = len(self.labels), len(self.classes)
        return f"<{self.accuracy:.1%} of {n:,} photos right, {n_classes} classes{skipped}>"

    def _repr_html_(self) -> str:
        """Show a notebook the accuracy, the classes and what is confused."""
        from lightprobe.html_text import percent, render

        wrong = self.confusion - np.diag(np.diagonal(self.confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")[: min(SHOWN_PAIRS, np.count_nonzero(wrong))]
        places = [divmod(int(place), len(wrong)) for place in order]
        pairs = [(int(wrong[i, j]), self.classes[i], self.classes[j]) for i, j in places]
        shown = [
            (name, one["n"], *(percent(None if np.isnan(one[key]) else one[key]) for key in _SHARES))
            for name, one in self.per_class.items()
        ]
        return render("tested", tested=repr(self)[1:-1], per_class=shown, pairs=pairs)


def most_probable(
    probabilities: NDArray[np.float64], classes: Sequence[str], top: int
) -> Iterator[Prediction]:
    """Name the `top` most probable classes of each row (n, n_classes); paths are left empty."""
    names = np.array(classes)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    for row, best in zip(probabilities, order, strict=True):
        yield Prediction("", tuple(names[best].tolist()), tuple(row[best].tolist()))


def as_record(answer: Prediction) -> dict[str, Any]:
    """Return an answer as JSON values."""
    top = [{"label": c, "probability": p} for c, p in zip(answer.labels, answer.probabilities, strict=True)]
    first = top[0] if top else {"label": None, "probability": None}
    why = {} if answer.why is None else {"why": asdict(answer.why)}
    held: dict[str, Any] = {}
    if answer.label_set is not None:
        held = {"labels": list(answer.label_set), "n_labels": len(answer.label_set)}
    return {
        "path": answer.path,
        **first,
        "top": top,
        "novelty": answer.novelty,
        "unknown": answer.unknown,
        **why,
        "error": answer.error,
        **held,
    }


def in_order(
    paths: Sequence[str], chunks: Iterable[Chunk[Key]], answer: Callable[[Chunk[Key]], Iterable[Prediction]]
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
        for index, error in chunk.failed.items():
            ready[index] = Prediction(paths[index], error=error.reason)
        if chunk.features:
            for index, prediction in zip(chunk.indices.tolist(), answer(chunk), strict=True):
                ready[index] = replace(prediction, path=paths[index])
        while position in ready:
            yield ready.pop(position)
            position += 1
