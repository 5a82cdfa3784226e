"""What every fitted classifier does with photos, whatever its head: look, answer, be tested."""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from lightprobe.answers import Prediction, Tested
from lightprobe.classifier.answering import in_order
from lightprobe.classifier.seeing import Seeing
from lightprobe.images import ImageSet, as_class_map, open_images, open_unlabelled
from lightprobe.paths import cache_folder

# From features (n, d) to one answer a row, paths left empty.
Answering = Callable[[NDArray[np.float16]], Iterable[Prediction]]


class PhotoClassifier(Seeing, ClassifierMixin, BaseEstimator):
    """p(class | photo) = h(f(photo)), where f is what Seeing sees with and h a head that a subclass has.

    A subclass has the parameters class_map and classes and those of Seeing, sets the attributes when it is
    fitted, and says what its head makes of features.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
    """

    class_map: str | None
    classes: str | None

    classes_: NDArray[np.str_]

    @abstractmethod
    def _probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Turn features (n, d) into probabilities (n, n_classes)."""

    @abstractmethod
    def _answering(self, top: int, unknown: float | None, why: int) -> Answering:
        """Return what answers; the arguments are those of `iter_predictions`."""

    def predict(self, data: Any) -> NDArray[np.str_]:
        """Most probable class of each photo, shape (n,); `data` and errors as for `predict_proba`."""
        best = self.predict_proba(data).argmax(axis=1)
        labels: NDArray[np.str_] = self.classes_[best]
        return labels

    def predict_proba(self, data: Any) -> NDArray[np.float64]:
        """Probabilities, shape (n, n_classes).

        `data` is a photo's path, a list of paths, a folder or zip of photos, or an array (n, h, w, 3).

        Raises
        ------
        DataError
            If a photo cannot be decoded; `iter_predictions` goes on instead.
        """
        return self._probabilities(self._features_of(data))

    def score(self, data: Any, y: Sequence[str] | None = None) -> float:
        """Accuracy on the test split of `data`, or on all of it if it has none; classes go by name."""
        tested = self.evaluate(data, y)
        return float(np.mean(tested.probabilities.argmax(axis=1) == tested.labels))

    def evaluate(self, data: Any, y: Sequence[str] | None = None) -> Tested:
        """Ask the model about photos whose class is known.

        Parameters
        ----------
        data, y
            As for `fit`; the test split, or all photos if there is none. Classes are matched by name.

        Raises
        ------
        DataError
            If a class is unknown to the model, or no photo can be decoded.
        """
        check_is_fitted(self)
        images = self._open(data, y, unmatched=True)
        images = (images.test or images).aligned_to(tuple(self.classes_))
        features = self.look(images)
        start = time.perf_counter()
        probabilities = self._probabilities(features.matrices[self.tap_])
        seconds = features.seconds + time.perf_counter() - start
        kept = images.select(features.kept)
        return Tested(kept.paths, kept.labels, probabilities, features.skipped + images.skipped, seconds)

    def iter_predictions(
        self, data: Any, *, top: int = 1, unknown: float | None = None, why: int = 0
    ) -> Iterator[Prediction]:
        """Answer photo by photo, in their order, with a few batches in memory at a time.

        Parameters
        ----------
        data : path, list of paths, or arrays
            Photos, folders of photos, zips.
        top : int
            How many classes an answer names.
        unknown : float, optional
            Call photos unknown that are as novel as this share of the training photos, when left out.
        why : int
            Name so many training photos that argued for and against.

        Yields
        ------
        Prediction
            A photo that cannot be decoded gets an answer too: its `error`.

        Raises
        ------
        OptionError
            If `unknown` or `why` is asked of a model that cannot tell.
        """
        check_is_fitted(self)
        answering = self._answering(top, unknown, why)
        images = open_unlabelled(data)
        chunks = self.stream(images)
        answers = in_order(images.paths, chunks, lambda chunk: answering(chunk.features[self.tap_]))
        yield from tqdm(answers, total=len(images), unit="image", desc="Predicting", disable=not self.verbose)

    def _features_of(self, data: Any) -> NDArray[np.float16]:
        """Look at photos all of which have to be decodable."""
        check_is_fitted(self)
        return self.look(open_unlabelled(data), strict=True).matrices[self.tap_]

    def _open(
        self, data: Any, y: Sequence[str] | None, *, group: str | None = None, unmatched: bool = False
    ) -> ImageSet:
        """Open data and apply the class map; `unmatched` if some of its classes may be missing here."""
        if isinstance(data, ImageSet):
            return data.limited(self.max_megapixels)
        opened = open_images(
            data if y is None else (data, y),
            root=cache_folder() / "datasets",
            group=group,
            classes=self.classes,
        )
        images = opened.limited(self.max_megapixels)
        if self.class_map is None:
            return images
        return as_class_map(self.class_map).apply(images, allow_unmatched=unmatched)
