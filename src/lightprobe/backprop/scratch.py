"""Scratch: a network from random weights."""

from pathlib import Path
from typing import Any

from lightprobe.backbones import PLAIN_CNNS, create_backbone
from lightprobe.backprop.base import GradientClassifier, Learned, Split
from lightprobe.backprop.end_to_end import train_end_to_end
from lightprobe.backprop.recipe import Recipe
from lightprobe.errors import OptionError


class Scratch(GradientClassifier):
    """A network trained from random weights on augmented photos.

    Parameters and attributes that are not named here are those of `GradientClassifier`.

    Parameters
    ----------
    network : str, optional
        "cnn2", "cnn3", "cnn4" (two, three, four times convolution and pooling, 16 channels first, and a dense
        layer; 32-pixel images), "starter", any of torchvision's networks or `timm:NAME`; the recipe's, or
        "cnn4", without it. Its own classifier gives way to a linear head on its averaged features.
    batch_norm : bool
        Batch norm after each convolution; this and the following three are for cnn2, cnn3 and cnn4.
    activation : {"relu", "leaky-relu", "elu", "gelu", "tanh", "sigmoid"}
    pooling : {"max", "avg", "stride"}
    init : {"kaiming", "xavier", "orthogonal", "default"}
        How weights are drawn; `default` is torch's own way.

    Examples
    --------
    >>> from lightprobe.backprop import Scratch
    >>> Scratch("cnn3", batch_norm=False).fit("cifar10.zip").score("cifar10.zip")  # doctest: +SKIP
    """

    method = "scratch"

    def __init__(
        self,
        network: str | None = None,
        *,
        batch_norm: bool = True,
        activation: str = "relu",
        pooling: str = "max",
        init: str = "kaiming",
        image_size: int | None = None,
        recipe: Recipe | str | Path | None = None,
        validation_fraction: float = 0.15,
        precision: str = "auto",
        engine: str = "auto",
        batch_size: int = 32,
        workers: int | None = None,
        max_megapixels: float | None = None,
        device: str = "auto",
        devices: int = 1,
        num_nodes: int = 1,
        strategy: str = "auto",
        class_map: str | None = None,
        classes: str | None = None,
        group: str | None = None,
        cache: bool = False,
        strict: bool = False,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        watch_test: bool = False,
        on_epoch: Any = None,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.batch_norm = batch_norm
        self.activation = activation
        self.pooling = pooling
        self.init = init
        self.image_size = image_size
        self.recipe = recipe
        self.validation_fraction = validation_fraction
        self.precision = precision
        self.engine = engine
        self.batch_size = batch_size
        self.workers = workers
        self.max_megapixels = max_megapixels
        self.device = device
        self.devices = devices
        self.num_nodes = num_nodes
        self.strategy = strategy
        self.class_map = class_map
        self.classes = classes
        self.group = group
        self.cache = cache
        self.strict = strict
        self.checkpoint = checkpoint
        self.resume = resume
        self.watch_test = watch_test
        self.on_epoch = on_epoch
        self.random_state = random_state
        self.verbose = verbose

    def _learn(self, split: Split, recipe: Recipe) -> Learned:
        network = self.network or recipe.network or PLAIN_CNNS[-1]
        plain = {
            "batch_norm": self.batch_norm,
            "activation": self.activation,
            "pooling": self.pooling,
            "init": self.init,
        }
        if network not in PLAIN_CNNS and plain != _PLAIN_DEFAULTS:
            changed = [name for name in plain if plain[name] != _PLAIN_DEFAULTS[name]]
            raise OptionError(
                f"{', '.join(changed)} cannot be chosen for {network}, only for {', '.join(PLAIN_CNNS)}."
            )
        backbone = create_backbone(
            network,
            weights="random",
            image_size=self.image_size or (recipe.sizes[-1][0] if recipe.sizes else None),
            random_state=self.random_state,
            arguments=plain if network in PLAIN_CNNS else None,
        )
        return train_end_to_end(
            backbone,
            split,
            recipe,
            unfreeze="all",
            label="trained from scratch",
            machine=self._machine(),
            runtime=self.runtime,
            **self._training_options(),
        )


_PLAIN_DEFAULTS = {"batch_norm": True, "activation": "relu", "pooling": "max", "init": "kaiming"}
