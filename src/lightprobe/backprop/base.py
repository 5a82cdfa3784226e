"""What the methods that learn by gradients share: data in, a network and a softmax head out, on disk."""

import importlib.util
import os
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from lightprobe.atomic import whole_path, write_whole
from lightprobe.backbones import DEFAULT, Backbone, GraphBackbone, Parts, pack
from lightprobe.backprop.recipe import Recipe, find_recipe
from lightprobe.backprop.setup import Row, Setup, Split, TrainingResult
from lightprobe.backprop.trained_model import TrainedModel
from lightprobe.errors import DataError, MissingExtraError, OptionError
from lightprobe.images import ImageSet, holdout_mask, require_every_class
from lightprobe.json_text import to_json
from lightprobe.learned import Learned
from lightprobe.photo_model import PhotoClassifier, open_labelled


@dataclass(eq=False, repr=False)
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

    _: KW_ONLY
    image_size: int | None = None
    recipe: Recipe | str | Path | None = None
    validation_fraction: float = 0.15
    precision: str = "auto"
    engine: str = "auto"
    batch_size: int = 32
    workers: int | None = None
    max_megapixels: float | None = None
    device: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    class_map: str | None = None
    classes: str | None = None
    group: str | None = None
    cache: bool = False
    strict: bool = False
    checkpoint: str | Path | None = None
    resume: bool = False
    watch_test: bool = False
    on_epoch: Callable[[Row], None] | None = None
    random_state: int = 0
    verbose: bool = False

    # No annotations: these are no parameters.
    backbone_ = Learned[Backbone]("backbone")
    weight_ = Learned[NDArray[np.float32]]("weight")
    bias_ = Learned[NDArray[np.float32]]("bias")
    recipe_ = Learned[Recipe]("recipe")
    history_ = Learned[list[Row]]("history")
    best_epoch_ = Learned[int]("best_epoch")
    val_accuracy_ = Learned[float]("val_accuracy")
    lr_ = Learned[float]("lr")
    interrupted_ = Learned[bool]("interrupted")
    n_validation_ = Learned[int]("n_validation")
    watched_seconds_ = Learned[float]("watched_seconds")

    @abstractmethod
    def _learn(self, split: Split, recipe: Recipe) -> TrainingResult:
        """Train."""

    def fit(self, data: Any, y: Any = None) -> Self:
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
            Without torch, torchvision or Lightning.
        KeyboardInterrupt
            Ctrl-C before the first epoch was over; later, the best so far is kept.
        """
        recipe = self.chosen_recipe()
        for package in ("torch", "torchvision", "lightning"):  # before photos are looked at
            if importlib.util.find_spec(package) is None:
                raise MissingExtraError(package, "backprop", "Training by gradients")
        images = open_labelled(data, y, class_map=self.class_map, classes=self.classes, group=self.group)
        self._photos = images
        split = self._split(images)
        learned = self._learn(split, recipe)
        self._fitted = TrainedModel(
            **vars(learned.trained),
            classes=split.train.classes,
            networks=(learned.network,),
            method=self.method,
            recipe=recipe,
            weight=learned.weight,
            bias=learned.bias,
            label_kind=images.label_kind,
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
        if isinstance(backbone, GraphBackbone):
            raise OptionError(f"{self.method} leaves {backbone.name} as it was: there is no network to save.")
        target = Path(path)
        with whole_path(target) as partial:
            save_file(pack(backbone.to_tensors()), partial)
        known = backbone.preprocessing.to_config() | {"arguments": backbone.to_config()["arguments"]}
        write_whole(target.with_name(f"{target.name}.json"), (to_json(known, indent=2) + "\n").encode())

    @staticmethod
    def _restored(tensors: Parts, config: dict[str, Any]) -> TrainedModel:
        return TrainedModel.from_tensors(tensors, config)

    def saved_parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON values."""
        parameters: dict[str, Any] = self.get_params(deep=False)
        if parameters.get("weights") is not None:
            parameters["weights"] = str(parameters["weights"])
        # Of a training only: its recipe is saved beside them, the others are its run's own.
        return parameters | _OF_A_RUN

    def _setup(self) -> Setup:
        machines = self.devices, self.num_nodes, self.strategy
        return Setup(self.runtime, *machines, self.checkpoint, self.resume, self.on_epoch)

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
                "add photos, or use `method='optical'`, which needs none."
            )
        held = holdout_mask(
            training.labels,
            self.validation_fraction,
            groups=training.groups,
            random_state=self.random_state,
        )
        return Split(training.select(~held), training.select(held), test)


@dataclass(eq=False, repr=False)
class TransferClassifier(GradientClassifier):
    """Base of those methods that begin with a pretrained network.

    Parameters
    ----------
    backbone : str
        As for `ImageClassifier`, like `weights` and `cut`.
    """

    backbone: str = DEFAULT
    _: KW_ONLY
    weights: str | Path | None = None
    cut: str | None = None

    def _network(self) -> dict[str, Any]:
        """Return what is asked of the network, as `create_backbone` takes it."""
        return {"weights": self.weights, "cut": self.cut, "image_size": self.image_size}


# Parameters that are a run's own and no part of the model.
_OF_A_RUN: dict[str, Any] = {"recipe": None, "checkpoint": None, "resume": False, "on_epoch": None}
