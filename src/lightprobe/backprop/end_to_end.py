"""Train a whole network on photos in memory: what fine-tuning and training from scratch share."""

import copy

import torch

from lightprobe.backbones import Backbone, Tap, TorchBackbone
from lightprobe.backprop.batches import Loaded, Samples, load_data
from lightprobe.backprop.networks import HeadedNetwork
from lightprobe.backprop.pictures import load_pictures
from lightprobe.backprop.recipe import Recipe, Unfreeze
from lightprobe.backprop.setup import Setup, Split, TrainingResult
from lightprobe.backprop.trainables import TrainableNetwork
from lightprobe.backprop.training import train
from lightprobe.images import ImageSet
from lightprobe.photo_model import Network

# A learning rate is tried for one epoch over so many photos.
TRIED_PHOTOS = 2048


def train_end_to_end(
    backbone: Backbone, split: Split, recipe: Recipe, setup: Setup, *, unfreeze: Unfreeze, label: str
) -> TrainingResult:
    """Train a backbone with a new head; the best epoch's weights come back.

    Parameters
    ----------
    backbone : Backbone
        A network of torch's.
    setup : Setup
        Its runtime's engine and precision are what runs the network afterwards.
    unfreeze : "all", "head" or int
        What of the backbone learns.
    label : str
        What its weights are called afterwards.
    """
    assert isinstance(backbone, TorchBackbone)
    runtime, preprocessing = setup.runtime, backbone.preprocessing
    largest = preprocessing.with_image_size(max(preprocessing.crop, *(side for side, _ in recipe.sizes), 0))
    fresh = make_network(backbone, len(split.train.classes), unfreeze, runtime.seed)

    def make(settings: Recipe, samples: Samples) -> TrainableNetwork:
        return TrainableNetwork(copy.deepcopy(fresh), samples, settings, preprocessing.crop)

    def load(images: ImageSet, to_train: bool) -> Loaded:
        if to_train:
            return load_pictures(images, largest, "whole", runtime)
        return load_pictures(images, preprocessing, "test", runtime)

    data = load_data(split, load)
    trainable, trained = train(make, recipe, data, setup, tried_epochs=1, tried_samples=TRIED_PHOTOS)
    network = trainable.network
    settled, _ = Network.for_photos(
        split.validation, network.trained_backbone(label), [Tap(backbone.cut, "avg")], runtime
    )
    weight, bias = network.head.weight.detach(), network.head.bias.detach()
    return TrainingResult(settled, weight.numpy(), bias.numpy(), trained)


def make_network(
    backbone: TorchBackbone, n_classes: int, unfreeze: Unfreeze, random_state: int
) -> HeadedNetwork:
    """Give a backbone a new head, drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        return HeadedNetwork(backbone, n_classes, unfreeze)
