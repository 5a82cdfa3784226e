"""FineTune: a pretrained network learns on, with a new head."""

from pathlib import Path
from typing import Any

from lightprobe.backbones import create_backbone
from lightprobe.backprop.base import GradientClassifier, Learned, Split
from lightprobe.backprop.end_to_end import train_end_to_end
from lightprobe.backprop.networks import Unfreeze
from lightprobe.backprop.recipe import Recipe


class FineTune(GradientClassifier):
    """A pretrained network with a new head, both trained on augmented photos.

    The head learns at the recipe's rate, and each stage before it `lr_decay` times as fast as the one
    behind. With `cut`, the network is shortened first.

    Parameters and attributes that are not named here are those of `GradientClassifier`.

    Parameters
    ----------
    backbone : str
        As for `ImageClassifier`, like `weights` and `cut`.
    unfreeze : "all", "head" or int
        What of it learns: everything, the head alone, or the last so many stages beside it. Frozen parts
        keep their tensors to the bit, batch norms' running statistics included.

    Examples
    --------
    >>> from lightprobe.backprop import FineTune
    >>> FineTune("resnet18", unfreeze=1).fit("photos/").score("photos/")  # doctest: +SKIP
    """

    method = "fine-tune"

    def __init__(
        self,
        backbone: str = "starter",
        *,
        weights: str | Path | None = None,
        cut: str | None = None,
        unfreeze: Unfreeze = "all",
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
        self.backbone = backbone
        self.weights = weights
        self.cut = cut
        self.unfreeze = unfreeze
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
        backbone = create_backbone(
            self.backbone,
            weights=self.weights,
            cut=self.cut,
            image_size=self.image_size,
            random_state=self.random_state,
        )
        return train_end_to_end(
            backbone,
            split,
            recipe,
            unfreeze=self.unfreeze,
            label=f"{backbone.weights}, fine-tuned",
            machine=self._machine(),
            runtime=self.runtime,
            **self._training_options(),
        )
