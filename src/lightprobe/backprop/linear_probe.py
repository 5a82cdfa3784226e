"""LinearProbe: a softmax head on a frozen network's features, which are computed once."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lightprobe.backbones import Tap, create_backbone
from lightprobe.backprop.base import GradientClassifier, Learned, Split
from lightprobe.backprop.batches import Samples
from lightprobe.backprop.recipe import Recipe
from lightprobe.backprop.trainables import FeatureLearner
from lightprobe.backprop.training import find_rate, train_network
from lightprobe.features import BackboneRunner, Features, extract
from lightprobe.images import ImageSet, Skipped, require_every_class
from lightprobe.photo_model import Network
from lightprobe.runtime import Runtime

TRIAL_EPOCHS = 20


class LinearProbe(GradientClassifier):
    """Frozen backbone, softmax head: multinomial logistic regression on features, by gradient descent.

    min over W, b of Σ −log softmax(W f(x_i) + b)[y_i], stopped where validation is best. Each photo is looked
    at once, so epochs cost next to nothing; it sees no augmented photos.

    Parameters and attributes that are not named here are those of `GradientClassifier`.

    Parameters
    ----------
    backbone : str
        As for `ImageClassifier`, like `weights` and `cut`.

    Examples
    --------
    >>> from lightprobe.backprop import LinearProbe
    >>> LinearProbe("starter").fit("photos/").score("photos/")  # doctest: +SKIP
    """

    method = "linear-probe"

    def __init__(
        self,
        backbone: str = "starter",
        *,
        weights: str | Path | None = None,
        cut: str | None = None,
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
        cache: bool = True,
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
        tap, runtime = Tap(backbone.cut, "avg"), self.runtime
        network, compiled = Network.for_photos(split.train, backbone, [tap], runtime)
        train, seen = _samples(split.train, compiled, runtime)
        require_every_class(split.train.select(seen.kept), "training photos that can be decoded")
        validation, held = _samples(split.validation, compiled, runtime)
        test = None if split.test is None else _samples(split.test, compiled, runtime)[0]
        seconds = {"features": seen.seconds + held.seconds, "search": 0.0}
        shared: dict[str, Any] = {
            "n_classes": len(split.train.classes),
            "labels": train.labels,
            "machine": self._machine(),
            "random_state": self.random_state,
        }

        def learner(settings: Recipe) -> FeatureLearner:
            return FeatureLearner(train, len(split.train.classes), settings, self.random_state)

        if recipe.lr == "auto":
            start = time.perf_counter()
            lr, _ = find_rate(learner, recipe, validation, TRIAL_EPOCHS, **shared)
            recipe = recipe.with_settings({"lr": lr})
            seconds["search"] = time.perf_counter() - start
        chosen = learner(recipe)
        trained = train_network(
            chosen, recipe, validation, test=test, progress=self.verbose, **shared, **self._training_options()
        )
        weight, bias = chosen.folded()
        skipped: tuple[Skipped, ...] = seen.skipped + held.skipped
        return Learned(
            network,
            weight.numpy(),
            bias.numpy(),
            trained,
            float(recipe.lr),
            seconds,
            len(train),
            len(validation),
            skipped,
        )


def _samples(images: ImageSet, compiled: BackboneRunner, runtime: Runtime) -> tuple[Samples, Features[Tap]]:
    """Look at photos; their averaged features as samples to learn from."""
    features = extract(images, compiled, runtime)
    (matrix,) = features.matrices.values()
    labels = torch.from_numpy(images.labels[features.kept])
    return Samples(torch.from_numpy(matrix.astype(np.float32)), labels, torch.ones(len(labels))), features
