"""The estimator that every method's classifier is: parameters, and what is done with photos once fitted."""

import os
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from lightprobe.atomic import through_links
from lightprobe.backbones import Parts
from lightprobe.errors import ModelFileError
from lightprobe.images import ImageSet, Skipped, as_labels, open_unlabelled
from lightprobe.labelling import NextPhotos
from lightprobe.learned import Learned
from lightprobe.photo_model.disk import (
    is_model,
    model_digest,
    model_folder,
    read_model,
    whole_parts,
    write_model,
)
from lightprobe.photo_model.network import Network
from lightprobe.photo_model.photo_model import (
    PhotoModel,
    evaluate,
    features_of,
    iter_predictions,
    open_labelled,
)
from lightprobe.photo_model.predictions import Prediction, Tested
from lightprobe.photo_model.to_label import next_photos
from lightprobe.runtime import Runtime

Model = TypeVar("Model", bound=PhotoModel)


class PhotoClassifier(ClassifierMixin, BaseEstimator, Generic[Model]):  # type: ignore[misc]  # no types there
    """Photos in, classes out: parameters over one fitted value.

    A subclass has the parameters `class_map`, `classes` and those of `runtime`, and sets `_fitted` when it is
    fitted.
    """

    method: ClassVar[str]
    class_map: Any
    classes: str | None
    _fitted: Model
    _photos: ImageSet | None = None  # what it was fitted to in this process, for its card in a notebook
    _read_from: Path | None = None
    _digest: str | None = None

    _class_names = Learned[tuple[str, ...]]("classes")
    networks_ = Learned[tuple[Network, ...]]("networks")
    network_ = Learned[Network]("network")
    n_train_ = Learned[int]("n_train")
    seconds_ = Learned[dict[str, float]]("seconds")
    skipped_ = Learned[tuple[Skipped, ...]]("skipped")

    @property
    def fitted(self) -> Model:
        """The fitted model as one value; NotFittedError before `fit`."""
        check_is_fitted(self)
        return self._fitted

    @property
    def runtime(self) -> Runtime:
        """How the parameters say that work is done."""
        return Runtime.of(self.get_params(deep=False))

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, shape (n_classes,): names, or integers where `fit` was given integers."""
        return as_labels(self._class_names, self.fitted.label_kind)

    def predict(self, data: Any) -> NDArray[Any]:
        """Most probable class of each photo, shape (n,); `data` and errors as for `predict_proba`."""
        best = self.predict_proba(data).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def predict_proba(self, data: Any) -> NDArray[np.float64]:
        """Probabilities, shape (n, n_classes).

        `data` is a photo or a sequence of photos: paths, addresses on the web, arrays (h, w, 3), tensors
        (3, h, w), PIL images, encoded bytes or streams; a folder, zip, pattern or table of photos; an array
        (n, h, w, 3); a DataFrame, or a data set of Hugging Face's. Of one photo n is 1.

        Raises
        ------
        DataError
            If a photo cannot be decoded; `iter_predictions` goes on instead.
        """
        model = self.fitted
        return model.probabilities(features_of(model, data, self.runtime))

    def score(self, data: Any, y: Any = None) -> float:
        """Accuracy on the test split of `data`, or on all of it if it has none; classes go by name."""
        return self.evaluate(data, y).accuracy

    def evaluate(self, data: Any, y: Any = None) -> Tested:
        """Ask the model about photos whose class is known.

        Parameters
        ----------
        data, y
            As for `fit`; the test split, or all photos if there is none. Classes are matched by name.

        Returns
        -------
        Tested
            `accuracy`, `confusion`, `per_class` and the answers themselves.

        Raises
        ------
        DataError
            If a class is unknown to the model, or no photo can be decoded.
        """
        model = self.fitted
        images = open_labelled(data, y, class_map=self.class_map, classes=self.classes, unmatched=True)
        return evaluate(model, images, self.runtime)

    def iter_predictions(
        self,
        data: Any,
        *,
        top: int = 1,
        unknown: float | None = None,
        why: int = 0,
        coverage: float | None = None,
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
        coverage : float, optional
            Answer with the smallest set of labels that holds the right one in this share of photos.

        Yields
        ------
        Prediction
            A photo that cannot be decoded gets an answer too: its `error`.

        Raises
        ------
        OptionError
            If `unknown`, `why` or `coverage` is asked of a model that cannot tell.
        """
        images = open_unlabelled(data)
        asked: dict[str, Any] = {"top": top, "unknown": unknown, "why": why, "coverage": coverage}
        yield from iter_predictions(self.fitted, images, self.runtime, **asked)

    def next(self, data: Any, n: int = 50) -> NextPhotos:
        """Choose the photos whose labels would help most: those that the model is least sure of.

        Sure is the margin p_1 − p_2 between the two most probable classes. A photo that repeats one before
        it in the batch is passed over, and so is one that the model was trained on, to the byte, where it
        keeps which these were.

        Parameters
        ----------
        data : as for `iter_predictions`
            Photos without labels.
        n : int
            How many; fewer are named where the others repeat these.

        Returns
        -------
        next_photos : NextPhotos
            `photos`, the least sure first, with the figures behind the order; `skipped`, those that could
            not be decoded.

        Raises
        ------
        OptionError
            If n is below 1.
        DataError
            If no photo can be decoded, or the model was trained on all of them.
        """
        return next_photos(self.fitted, open_unlabelled(data), n, self.runtime)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write `model.safetensors`, `config.json` and a card, replacing a model that lies there.

        The networks up to their cuts are inside, so the folder is all that predicting needs.

        Raises
        ------
        ModelFileError
            If something other than a model lies there, or this one was read from there and another process
            has saved a third since.
        WriteError, LockedError
            If the disk is full or cannot be written to, or another process saves there all the time.
        """
        path = Path(folder)
        place = through_links(path)
        digest = self.read_digest if self._read_from == place else None
        digest = write_model(path, *self.fitted.to_tensors(self.saved_parameters()), digest)
        self._read_from, self._digest = place, digest
        return path

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote; nothing is unpickled.

        Raises
        ------
        ModelFileError
            If there is no model, or it is foreign, damaged, changed, of another format version or of another
            method; `lightprobe.load` reads those of all methods.
        """
        path = model_folder(Path(folder))
        digest = model_digest(path) if is_model(path) else None
        tensors, config = read_model(path)
        if (method := config.get("method", "optical")) != cls.method:
            raise ModelFileError(
                f"{folder} was trained by the method {method!r}, and {cls.__name__} reads {cls.method!r}: "
                f"use lightprobe.load({str(folder)!r}), which reads the models of every method."
            )
        with whole_parts(folder):
            model = cls(**config["parameters"])
            model._fitted = cls._restored(tensors, config)
        model._read_from, model._digest = through_links(path), digest
        return model

    @property
    def read_digest(self) -> str | None:
        """`model_digest` of the folder that this was read from or saved to last; None if it was neither."""
        return self._digest

    @staticmethod
    @abstractmethod
    def _restored(tensors: Parts, config: dict[str, Any]) -> Model:
        """Build the fitted value again; KeyError, TypeError or ValueError where parts do not fit."""

    @abstractmethod
    def saved_parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON values."""

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """Show a fitted model in a notebook: accuracy, confusions, and mistakes as pictures."""
        shown: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        if self.__sklearn_is_fitted__() and "text/html" in shown:  # which sklearn.set_config may leave out
            shown["text/html"] = self._repr_html_()
        return shown

    def _repr_html_(self) -> str:
        """Return the same for those who show HTML alone."""
        if not self.__sklearn_is_fitted__():
            html: str = super()._repr_html_()
            return html
        from lightprobe.photo_model.notebook import notebook_card  # templates, which answering need not load

        return notebook_card(self._fitted, self._photos)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the photos out, which are this process's own."""
        return {name: value for name, value in super().__getstate__().items() if name != "_photos"}

    def __sklearn_is_fitted__(self) -> bool:
        return "_fitted" in vars(self)
