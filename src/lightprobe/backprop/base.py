"""What the methods that learn by gradients share: data in, a network and a softmax head out, on disk."""

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from lightprobe.backbones import Backbone, pack_state
from lightprobe.backprop.recipe import Recipe, find_recipe
from lightprobe.backprop.trained_model import TrainedModel
from lightprobe.backprop.training import Machine, Trained, seconds_to
from lightprobe.errors import DataError, ModelFileError
from lightprobe.images import ImageSet, Skipped, holdout_mask, require_every_class
from lightprobe.json_text import to_json
from lightprobe.photo_model import Network, PhotoClassifier, open_labelled, read_model

Row = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """Training and validation photos, and test photos where they are to be watched."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet | None


@dataclass(frozen=True)
class Learned:
    """What a method's training returns: the network, the head's weights and what it took."""

    network: Network
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    trained: Trained
    lr: float
    seconds: dict[str, float]
    n_train: int
    n_validation: int
    skipped: tuple[Skipped, ...]


class GradientClassifier(PhotoClassifier[TrainedModel]):
    """Base of `LinearProbe`, `FineTune` and `Scratch`; they say what is particular to them.

    scores = W f(x) + b, where f is a network averaged over positions; probabilities are their softmax.

    Parameters
    ----------
    recipe : Recipe, str or path, optional
        How to train: the method's own recipe, a named one ("tutorial"), or a YAML file.
    image_size : int, optional
        Side of the network's input in pixels; the network's own without it.
    validation_fraction : float
        Share of the training photos that choose the epoch, where the data has no `val` beside `test`.
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}
        Arithmetic of training (mixed, and never int8) and of prediction.
    engine, batch_size, workers, max_megapixels, device, class_map, classes, group, cache, strict
    random_state, verbose
        As for `ImageClassifier`; the batch size is that of looking, the recipe has that of training.
    devices, num_nodes, strategy
        How many devices and machines share the training, and how, as Lightning takes them.
    checkpoint : path, optional
        A folder for the state after each epoch; none is kept without it.
    resume : bool
        Go on from the state in `checkpoint`, where there is one.
    watch_test : bool
        Note each epoch's loss and accuracy on test photos, for curves. They never choose anything.
    on_epoch : callable, optional
        Gets each epoch's row.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
    history_ : list of dict
        One row an epoch: loss and accuracy of training, validation and test, learning rate, seconds so far.
    best_epoch_ : int
        The epoch whose weights were kept, counted from 1: the best on validation photos.
    val_accuracy_ : float
    lr_ : float
        Learning rate of the head, as given or found.
    interrupted_ : bool
        Whether Ctrl-C ended training; the best weights so far were kept.
    fitted : TrainedModel
        The model itself, one value that nothing changes; the attributes here read from it.
    network_ : Network
        The network up to its cut, as it was trained, and what runs it.
    weight_, bias_ : ndarray of float32, shapes (n_classes, n_features) and (n_classes,)
    seconds_ : dict of str to float
        `features` (looking or decoding), `search` (for a learning rate), `fit`; and `to_99`, until
        validation first reached 99 % of its best, the search left out.
    watched_seconds_ : float
        What looking at test photos took, which is in none of these.
    n_train_, n_validation_ : int
    skipped_ : tuple of Skipped
        Photos that could not be decoded.
    """

    method: ClassVar[str]

    recipe: Recipe | str | Path | None
    validation_fraction: float
    group: str | None
    devices: int
    num_nodes: int
    strategy: str
    checkpoint: str | Path | None
    resume: bool
    watch_test: bool
    on_epoch: Callable[[Row], None] | None
    random_state: int

    @abstractmethod
    def _learn(self, split: Split, recipe: Recipe) -> Learned:
        """Train."""

    def fit(self, data: Any, y: Sequence[str] | None = None) -> Self:
        """Train, keeping the weights of the epoch that was best on validation photos.

        Parameters
        ----------
        data, y
            As for `ImageClassifier.fit`; a `val` split beside `test` is what validates.

        Raises
        ------
        LightprobeError
            If the data or a parameter cannot be used; one sentence says why.
        MissingExtraError
            Without Lightning.
        KeyboardInterrupt
            Ctrl-C before the first epoch was over; later, the best so far is kept.
        """
        recipe = self.chosen_recipe()
        split = self._split(
            open_labelled(data, y, class_map=self.class_map, classes=self.classes, group=self.group)
        )
        learned = self._learn(split, recipe)
        trained = learned.trained
        before = learned.seconds.get("features", 0.0)
        self._fitted = TrainedModel(
            classes=split.train.classes,
            networks=(learned.network,),
            n_train=learned.n_train,
            seconds={
                **learned.seconds,
                "fit": trained.seconds,
                "to_99": seconds_to(trained.rows, 0.99, before),
            },
            skipped=learned.skipped + split.train.skipped,
            method=self.method,
            recipe=recipe,
            weight=learned.weight,
            bias=learned.bias,
            history=trained.rows,
            best_epoch=trained.best_epoch,
            val_accuracy=trained.rows[trained.best_epoch - 1]["val_accuracy"],
            lr=learned.lr,
            interrupted=trained.interrupted,
            n_validation=learned.n_validation,
            watched_seconds=trained.watched_seconds,
        )
        return self

    def chosen_recipe(self) -> Recipe:
        """Return the recipe that `fit` trains by.

        Raises
        ------
        OptionError
            There is none of that name, or its file cannot be used.
        """
        return find_recipe(self.method, self.recipe)

    def decision_function(self, data: Any) -> NDArray[np.float64]:
        """Logarithms of the probabilities, shape (n, n_classes); `data` and errors as for `predict_proba`."""
        return np.log(np.maximum(self.predict_proba(data), np.finfo(float).tiny))

    def save_backbone(self, path: str | os.PathLike[str]) -> None:
        """Write the network without its head as `--weights` reads it: the tensors, and facts beside them."""
        backbone = self.fitted.backbone
        save_file(pack_state(backbone.state), path)
        known = backbone.preprocessing.to_config() | {"arguments": dict(backbone.architecture.arguments)}
        text = to_json(known, indent=2)
        Path(f"{os.fspath(path)}.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote; nothing is unpickled.

        Raises
        ------
        ModelFileError
            If there is no model, or it is foreign, damaged, changed or of another format version.
        """
        tensors, config = read_model(Path(folder))
        try:
            model = cls(**config["parameters"])
            model._fitted = TrainedModel.from_tensors(tensors, config)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"{folder} is damaged or incomplete ({error}): train the model again."
            ) from error
        return model

    @property
    def backbone_(self) -> Backbone:
        """The network up to its cut."""
        return self._learned("backbone_").backbone

    @property
    def weight_(self) -> NDArray[np.float32]:
        """Weights of the head, shape (n_classes, n_features)."""
        return self._learned("weight_").weight

    @property
    def bias_(self) -> NDArray[np.float32]:
        """Biases of the head, shape (n_classes,)."""
        return self._learned("bias_").bias

    @property
    def recipe_(self) -> Recipe:
        """What it was trained by."""
        return self._learned("recipe_").recipe

    @property
    def history_(self) -> list[Row]:
        """One row an epoch."""
        return self._learned("history_").history

    @property
    def best_epoch_(self) -> int:
        """The epoch whose weights were kept, counted from 1."""
        return self._learned("best_epoch_").best_epoch

    @property
    def val_accuracy_(self) -> float:
        """Accuracy on validation photos."""
        return self._learned("val_accuracy_").val_accuracy

    @property
    def lr_(self) -> float:
        """Learning rate of the head."""
        return self._learned("lr_").lr

    @property
    def interrupted_(self) -> bool:
        """Whether Ctrl-C ended training."""
        return self._learned("interrupted_").interrupted

    @property
    def n_validation_(self) -> int:
        """Validation photos."""
        return self._learned("n_validation_").n_validation

    @property
    def watched_seconds_(self) -> float:
        """What looking at test photos took."""
        return self._learned("watched_seconds_").watched_seconds

    def saved_parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON values."""
        parameters: dict[str, Any] = self.get_params(deep=False)
        if parameters.get("weights") is not None:
            parameters["weights"] = str(parameters["weights"])
        # Of a training only: its recipe is saved beside them, the others are its run's own.
        return parameters | _OF_A_RUN

    def _machine(self) -> Machine:
        return Machine(self.device, self.precision, self.devices, self.num_nodes, self.strategy)

    def _training_options(self) -> dict[str, Any]:
        """Return what `train_network` is told by the parameters."""
        on_epoch: Callable[[Row], None] = self.on_epoch or (lambda _row: None)
        return {
            "checkpoint": None if self.checkpoint is None else Path(self.checkpoint),
            "resume": self.resume,
            "on_epoch": on_epoch,
        }

    def _split(self, images: ImageSet) -> Split:
        """Say which photos train and which validate; test photos only where they are to be watched."""
        training, validation = images.training, images.validation
        require_every_class(training, "training photos")
        test = images.test if self.watch_test else None
        if validation is not None:
            training = training.select(training.splits != "val")
            require_every_class(training, "training photos")
            return Split(training, validation, test)
        if np.bincount(training.labels).max() < 2:
            raise DataError(
                "Every class has one photo only, and training by gradients needs some to validate on: "
                "add photos, or use --method optical, which needs none."
            )
        held = holdout_mask(
            training.labels,
            self.validation_fraction,
            groups=training.groups,
            random_state=self.random_state,
        )
        return Split(training.select(~held), training.select(held), test)


# Parameters that are a run's own and no part of the model.
_OF_A_RUN: dict[str, Any] = {"recipe": None, "checkpoint": None, "resume": False, "on_epoch": None}
