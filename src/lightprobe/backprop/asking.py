"""What a trained model does with photos: a network looks at them, a softmax head names their classes."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from lightprobe.answers import Prediction, Tested
from lightprobe.backbones import Backbone, Runner, Tap
from lightprobe.classifier.answering import in_order
from lightprobe.classifier.network import Network
from lightprobe.errors import OptionError
from lightprobe.features import Chunk, FeatureCache, Features, extract, stream
from lightprobe.images import ImageSet, as_class_map, open_images, open_unlabelled
from lightprobe.paths import cache_folder


class SoftmaxClassifier(ClassifierMixin, BaseEstimator):
    """p = softmax(W f(x) + b), where f is a network averaged over positions.

    A subclass has the parameters batch_size, workers, device, class_map, cache, strict and verbose, and sets
    these attributes when it is fitted.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
    network_ : Network
    weight_, bias_ : ndarray of float32, shapes (n_classes, n_features) and (n_classes,)
    """

    batch_size: int
    workers: int | None
    device: str
    class_map: str | None
    cache: bool
    strict: bool
    verbose: bool

    classes_: NDArray[np.str_]
    network_: Network
    weight_: NDArray[np.float32]
    bias_: NDArray[np.float32]

    @property
    def backbone_(self) -> Backbone:
        """The network up to its cut."""
        return self.network_.backbone

    @property
    def _tap(self) -> Tap:
        return Tap(self.network_.backbone.cut, "avg")

    def _probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Turn features (n, d) into probabilities (n, n_classes)."""
        scores = features.astype(np.float32) @ self.weight_.T + self.bias_
        probabilities: NDArray[np.float64] = softmax(scores.astype(np.float64), axis=1)
        return probabilities

    def decision_function(self, data: Any) -> NDArray[np.float64]:
        """Logarithms of the probabilities, shape (n, n_classes); `data` and errors as for `predict_proba`."""
        return np.log(np.maximum(self.predict_proba(data), np.finfo(float).tiny))

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
        check_is_fitted(self)
        features = self._look(open_unlabelled(data), self._compiled(), strict=True)
        return self._probabilities(features.matrices[self._tap])

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
        features = self._look(images, self._compiled())
        start = time.perf_counter()
        probabilities = self._probabilities(features.matrices[self._tap])
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
        unknown, why
            As for ImageClassifier, which has the training photos' leave-one-out scores and features; here
            they are refused.

        Yields
        ------
        Prediction
            A photo that cannot be decoded gets an answer too: its `error`.

        Raises
        ------
        OptionError
            If `unknown` or `why` is asked for.
        """
        if unknown is not None or why:
            raise OptionError(
                "Only the closed form can say unknown or why, and this model was trained by gradients: "
                "train with --method optical for that."
            )
        check_is_fitted(self)
        images = open_unlabelled(data)
        chunks = stream(
            images,
            self._compiled(),
            self.network_.backbone.preprocessing,
            batch_size=self.batch_size,
            workers=self.workers,
        )
        answers = in_order(images.paths, chunks, partial(self._answers, top=top))
        yield from tqdm(answers, total=len(images), unit="image", desc="Predicting", disable=not self.verbose)

    def _open(
        self, data: Any, y: Sequence[str] | None, *, group: str | None = None, unmatched: bool = False
    ) -> ImageSet:
        """Open data and apply the class map; `unmatched` if some of its classes may be missing here."""
        if isinstance(data, ImageSet):
            return data
        images = open_images(data if y is None else (data, y), root=cache_folder() / "datasets", group=group)
        if self.class_map is None:
            return images
        return as_class_map(self.class_map).apply(images, allow_unmatched=unmatched)

    def _look(
        self,
        images: ImageSet,
        runner: Runner,
        backbone: Backbone | None = None,
        *,
        strict: bool | None = None,
    ) -> Features:
        return extract(
            images,
            backbone or self.network_.backbone,
            runner,
            batch_size=self.batch_size,
            workers=self.workers,
            cache=FeatureCache() if self.cache else None,
            strict=self.strict if strict is None else strict,
            progress=self.verbose,
        )

    def _compiled(self) -> Runner:
        return self.network_.compiled([self._tap], self.device)

    def _answers(self, chunk: Chunk, *, top: int) -> Iterator[Prediction]:
        for row in self._probabilities(chunk.features[self._tap]):
            order = np.argsort(-row, kind="stable")[:top]
            yield Prediction("", tuple(self.classes_[order].tolist()), tuple(row[order].tolist()))
