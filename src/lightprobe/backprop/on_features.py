"""Train a softmax head on a frozen network's features, which are computed once."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from lightprobe.backbones import Backbone, Tap
from lightprobe.backprop.batches import Data, Loaded, Samples, load_data
from lightprobe.backprop.recipe import Recipe
from lightprobe.backprop.setup import Setup, Split, TrainingResult
from lightprobe.backprop.trainables import Trainable
from lightprobe.backprop.training import train
from lightprobe.features import BackboneRunner, extract
from lightprobe.images import ImageSet
from lightprobe.photo_model import Network
from lightprobe.runtime import Runtime

# A learning rate is tried for so long.
TRIED_EPOCHS = 20


def train_head(backbone: Backbone, split: Split, recipe: Recipe, setup: Setup) -> TrainingResult:
    """Train a head on a backbone's features, averaged over positions; the best epoch's weights come back."""
    runtime = setup.runtime
    network, compiled = Network.for_photos(split.train, backbone, [Tap(backbone.cut, "avg")], runtime)
    data = load_data(split, lambda images, _to_train: _look(images, compiled, runtime))
    data, mean, std = standardise(data)

    def make(settings: Recipe, samples: Samples) -> Trainable:
        head = nn.Linear(samples.inputs.shape[1], data.n_classes)
        for parameter in head.parameters():
            nn.init.zeros_(parameter)
        return Trainable(head, samples, settings)

    trainable, trained = train(make, recipe, data, setup, tried_epochs=TRIED_EPOCHS)
    weight, bias = fold(trainable.network, mean, std)
    return TrainingResult(network, weight.numpy(), bias.numpy(), trained)


def standardise(data: Data) -> tuple[Data, Tensor, Tensor]:
    """Return (f − μ) / σ of features f, and mean and deviation of those to train on."""
    features = data.train.inputs
    mean, std = features.mean(0), features.std(0, correction=0).clamp(min=1e-6)

    def standard(samples: Samples) -> Samples:
        return replace(samples, inputs=(samples.inputs - mean) / std)

    test = None if data.test is None else standard(data.test)
    data = replace(data, train=standard(data.train), validation=standard(data.validation), test=test)
    return data, mean, std


def fold(head: nn.Module, mean: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Return a head's weight and bias for features as they come: W/σ and b − W μ/σ."""
    state = head.state_dict()
    weight = state["weight"] / std
    return weight, state["bias"] - weight @ mean


def _look(images: ImageSet, compiled: BackboneRunner, runtime: Runtime) -> Loaded:
    """Look at photos; their averaged features as samples to learn from."""
    seen = extract(images, compiled, runtime)
    (matrix,) = seen.matrices.values()
    labels = torch.from_numpy(images.labels[seen.kept])
    samples = Samples(torch.from_numpy(matrix.astype(np.float32)), labels, torch.ones(len(labels)))
    return Loaded(samples, seen.kept, seen.skipped, seen.seconds)
