"""What every fitted classifier is, whatever its method: networks that look, a head that answers.

    p(class | photo) = h(f(photo)), f one network up to a layer, pooled, or several side by side, h a head

A method's model is a frozen value of this shape; what is done with photos are functions of it.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Parts
from lightprobe.bars import tqdm
from lightprobe.errors import DataError, OptionError
from lightprobe.features import (
    DIGEST_BYTES,
    BackboneRunner,
    Chunk,
    Features,
    TapSet,
    extract_tap_sets,
    stream_tap_set,
)
from lightprobe.images import ImageSet, Skipped, as_class_map, open_images, open_unlabelled
from lightprobe.paths import cache_folder
from lightprobe.photo_model.network import Network
from lightprobe.photo_model.predictions import Prediction, Tested, in_order
from lightprobe.runtime import Runtime

# From features (n, d) to one answer a row, paths left empty.
Answerer = Callable[[NDArray[np.float16]], Iterable[Prediction]]
# Labels of photos by one who has not seen them: paths, labels (n,), probabilities (n, n_classes).
LeftOut = tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class PhotoModel(ABC):
    """A fitted classifier of photos.

    Attributes
    ----------
    classes : tuple of str
    networks : tuple of Network
        Each ending where it is tapped.
    n_train : int
        Training photos.
    seconds : dict of str to float
        Seconds a stage of training.
    skipped : tuple of Skipped
        Training photos that could not be decoded.
    label_kind : {"str", "int", "bool"}
        What the labels were that it was trained on; see `as_labels`.
    """

    classes: tuple[str, ...]
    networks: tuple[Network, ...]
    n_train: int
    seconds: dict[str, float]
    skipped: tuple[Skipped, ...]
    label_kind: str = field(default="str", kw_only=True)

    @property
    @abstractmethod
    def tap_set(self) -> TapSet:
        """The features that the head takes."""

    @abstractmethod
    def probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Turn features (n, d) into probabilities (n, n_classes)."""

    @abstractmethod
    def answerer(self, top: int, unknown: float | None, why: int, coverage: float | None = None) -> Answerer:
        """Return what answers; the arguments are those of `iter_predictions`."""

    @abstractmethod
    def to_tensors(self, parameters: dict[str, Any]) -> tuple[Parts, dict[str, Any], str]:
        """Take it apart: tensors, plain values for a JSON file, and a card for people.

        `parameters` are the estimator's, as JSON values.
        """

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Describe it in JSON values, for a run's row; what a method does not have is null."""

    def left_out(self) -> LeftOut | None:
        """Answer for each training photo as the model would that never saw it, where that is known."""
        return None

    def known_digests(self) -> NDArray[np.uint8]:
        """Digests (n, 20) of the training photos' bytes; none of a model that does not keep them."""
        return np.empty((0, DIGEST_BYTES), np.uint8)

    @property
    def network(self) -> Network:
        """The network, where there is only one.

        Raises
        ------
        OptionError
            If the model sees through several.
        """
        if len(self.networks) > 1:
            names = " and ".join(network.backbone.name for network in self.networks)
            raise OptionError(
                f"This model sees through {names} at once, and this can be done with a single network only: "
                "train a model with one `backbone`."
            )
        return self.networks[0]

    def runners(self, device: str) -> list[BackboneRunner]:
        """Compile the networks for what the head takes; each once."""
        return [
            network.compiled([tap], device)
            for network, tap in zip(self.networks, self.tap_set.taps, strict=True)
        ]


def open_labelled(
    data: Any,
    y: Any = None,
    *,
    class_map: Any = None,
    classes: str | None = None,
    group: str | None = None,
    unmatched: bool = False,
    root: Path | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
) -> ImageSet:
    """Open labelled data and apply the class map; an ImageSet is taken as it is.

    Parameters
    ----------
    data, y
        As for `ImageClassifier.fit`.
    class_map, classes, group, path_column, label_column
        As for `open_images`.
    unmatched : bool
        Whether some of the map's classes may be missing here.
    root : Path, optional
        Where named data sets lie; in the cache without it.
    """
    if isinstance(data, ImageSet):
        return data
    images = open_images(
        data if y is None else (data, y),
        root=root or cache_folder() / "datasets",
        group=group,
        classes=classes,
        path_column=path_column,
        label_column=label_column,
    )
    if class_map is None:
        return images
    return as_class_map(class_map).apply(images, allow_unmatched=unmatched)


def look(model: PhotoModel, images: ImageSet, runtime: Runtime) -> Features[TapSet]:
    """Look at every photo for what the head takes."""
    return extract_tap_sets(images, model.runners(runtime.device), [model.tap_set], runtime)


def features_of(model: PhotoModel, data: Any, runtime: Runtime) -> NDArray[np.float16]:
    """Look at photos (n, d) all of which have to be decodable; `data` as for `ImageClassifier.predict`.

    Raises
    ------
    DataError
        If one cannot be decoded.
    """
    images = open_unlabelled(data)
    seen = look(model, images, replace(runtime, strict=False))
    if seen.skipped:
        first = seen.skipped[0]
        if len(images) == 1:
            raise DataError(f"{first.path} {first.reason}: {first.remedy}.")
        raise DataError(
            f"{len(seen.skipped)} of {len(images)} photos cannot be answered, the first being {first.path} "
            f"({first.reason}): leave them out, or use iter_predictions, which answers the others."
        )
    return seen.matrices[model.tap_set]


def evaluate(model: PhotoModel, images: ImageSet, runtime: Runtime) -> Tested:
    """Ask a model about photos whose class is known; see `evaluate_with_features`."""
    return evaluate_with_features(model, images, runtime)[0]


def evaluate_with_features(
    model: PhotoModel, images: ImageSet, runtime: Runtime
) -> tuple[Tested, NDArray[np.float16]]:
    """Ask a model about photos whose class is known; the test split, or all photos if there is none.

    Returns
    -------
    Tested, ndarray of shape (n, d)
        The answers, and what was seen of their photos.

    Raises
    ------
    DataError
        If a class is unknown to the model, or no photo can be decoded.
    """
    images = (images.test or images).aligned_to(model.classes)
    features = look(model, images, runtime)
    start = time.perf_counter()
    seen = features.matrices[model.tap_set]
    probabilities = model.probabilities(seen)
    seconds = features.seconds + time.perf_counter() - start
    kept = images.select(features.kept)
    skipped = features.skipped + images.skipped
    return Tested(kept.paths, kept.labels, probabilities, skipped, seconds, model.classes), seen


def iter_predictions(
    model: PhotoModel,
    images: ImageSet,
    runtime: Runtime,
    *,
    top: int = 1,
    unknown: float | None = None,
    why: int = 0,
    coverage: float | None = None,
) -> Iterator[Prediction]:
    """Answer photo by photo, in their order; see `PhotoClassifier.iter_predictions`."""
    answer = model.answerer(top, unknown, why, coverage)

    def answered(chunk: Chunk[TapSet]) -> Iterable[Prediction]:
        return answer(chunk.features[model.tap_set])

    chunks = stream_tap_set(images, model.runners(runtime.device), model.tap_set, runtime)
    answers = in_order(images.paths, chunks, answered)
    yield from tqdm(answers, total=len(images), unit="image", desc="Predicting", disable=not runtime.progress)
