"""Train a whole network on photos in memory: what fine-tuning and training from scratch share."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lightprobe.backbones import Backbone, Tap
from lightprobe.backprop.base import Learned, Split
from lightprobe.backprop.networks import HeadedNetwork, Unfreeze
from lightprobe.backprop.pictures import load_pictures
from lightprobe.backprop.recipe import Recipe
from lightprobe.backprop.trainables import PictureLearner
from lightprobe.backprop.training import Machine, find_rate, train_network
from lightprobe.images import require_every_class
from lightprobe.photo_model import Network
from lightprobe.runtime import Runtime

# A learning rate is tried for one epoch over so many photos.
TRIAL_PHOTOS = 2048


def train_end_to_end(
    backbone: Backbone,
    split: Split,
    recipe: Recipe,
    *,
    unfreeze: Unfreeze,
    label: str,
    machine: Machine,
    runtime: Runtime,
    checkpoint: Path | None,
    resume: bool,
    on_epoch: Callable[[dict[str, Any]], None],
) -> Learned:
    """Train a backbone with a new head; the best epoch's weights come back.

    Parameters
    ----------
    unfreeze : "all", "head" or int
        What of the backbone learns.
    label : str
        What its weights are called afterwards.
    runtime : Runtime
        Its engine and precision are what runs the network then.
    """
    random_state = runtime.seed
    how: dict[str, Any] = {
        "workers": runtime.workers,
        "strict": runtime.strict,
        "progress": runtime.progress,
    }
    n_classes, side = len(split.train.classes), backbone.preprocessing.crop
    network = make_network(backbone, n_classes, unfreeze, random_state)
    sizes = [side, *(size for size, _ in recipe.sizes)]
    largest = backbone.preprocessing.with_image_size(max(sizes))
    train = load_pictures(split.train, largest, "whole", **how)
    require_every_class(split.train.select(train.kept), "training photos that can be decoded")
    validation = load_pictures(split.validation, backbone.preprocessing, "test", **how)
    test = None
    if split.test is not None:
        test = load_pictures(split.test, backbone.preprocessing, "test", **how).samples
    seconds = {"features": train.seconds + validation.seconds, "search": 0.0}
    shared: dict[str, Any] = {"n_classes": n_classes, "machine": machine, "random_state": random_state}

    if recipe.lr == "auto":
        start = time.perf_counter()
        drawn = torch.randperm(len(train.samples), generator=torch.Generator().manual_seed(random_state))
        few = train.samples.select(drawn[:TRIAL_PHOTOS])

        def trial(settings: Recipe) -> PictureLearner:
            fresh = make_network(backbone, n_classes, unfreeze, random_state)
            return PictureLearner(fresh, few, settings, side, random_state)

        lr, _ = find_rate(trial, recipe, validation.samples, 1, labels=few.labels, **shared)
        recipe = replace(recipe, lr=lr)
        seconds["search"] = time.perf_counter() - start
    learner = PictureLearner(network, train.samples, recipe, side, random_state)
    trained = train_network(
        learner,
        recipe,
        validation.samples,
        labels=train.samples.labels,
        test=test,
        checkpoint=checkpoint,
        resume=resume,
        on_epoch=on_epoch,
        progress=runtime.progress,
        **shared,
    )
    settled, _ = Network.for_photos(
        split.validation,
        network.trained_backbone(label),
        [Tap(backbone.cut, "avg")],
        runtime,
    )
    return Learned(
        settled,
        network.head.weight.detach().numpy(),
        network.head.bias.detach().numpy(),
        trained,
        float(recipe.lr),
        seconds,
        len(train.samples),
        len(validation.samples),
        train.skipped + validation.skipped,
    )


def make_network(backbone: Backbone, n_classes: int, unfreeze: Unfreeze, random_state: int) -> HeadedNetwork:
    """Give a backbone a new head, drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        return HeadedNetwork(backbone, n_classes, unfreeze)
