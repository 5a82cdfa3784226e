"""Toys that learn in a moment, tiny networks that train on them, and one training that tests share."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.toys import CLASSES, draw_toys, toy_image

from lightprobe.backprop import FineTune, LinearProbe, Recipe, Scratch
from lightprobe.backprop.base import GradientClassifier
from lightprobe.images import ImageSet, open_images

if TYPE_CHECKING:
    from lightprobe.backbones import TorchBackbone

Toys = tuple[NDArray[np.uint8], list[str]]
SIDE = 16
# Without augmentation: pictures this small change their kind when they are enlarged.
PLAIN = Recipe(epochs=4, batch_size=8, lr=0.02, scale=(1.0, 1.0), flip=False)
BRIEF = replace(PLAIN, epochs=1)
CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32", "engine": "eager", "image_size": SIDE}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """In one thread: several add in an order that changes from run to run, and so the last bit of a sum."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def ctrl_c_as_at_a_terminal() -> Iterator[None]:
    """Programs that are started in the background ignore Ctrl-C, and so would a second one in a training."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def scratch(recipe: Recipe | str = PLAIN, **how: Any) -> Scratch:
    return Scratch("cnn2", recipe=recipe, **{**CPU, **how})


def fine_tune(recipe: Recipe = PLAIN, **how: Any) -> FineTune:
    return FineTune("cnn2", recipe=recipe, **{**CPU, "weights": "random", **how})


def linear_probe(recipe: Recipe = PLAIN, **how: Any) -> LinearProbe:
    return LinearProbe("cnn2", recipe=recipe, **{**CPU, "weights": "random", "cache": False, **how})


def network_of(model: GradientClassifier) -> "TorchBackbone":
    """The network that was trained."""
    from lightprobe.backbones import TorchBackbone

    assert isinstance(model.backbone_, TorchBackbone)
    return model.backbone_


def toys(seeds: range) -> Toys:
    pictures = [toy_image(kind, seed, SIDE) for kind in CLASSES for seed in seeds]
    return np.stack(pictures), [kind for kind in CLASSES for _ in seeds]


def untimed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what is never the same twice."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture
def train_toys() -> Toys:
    return toys(range(12))


@pytest.fixture
def test_toys() -> Toys:
    return toys(range(100, 108))


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Twelve training and four test photos of each class."""
    return open_images(draw_toys(tmp_path_factory.mktemp("photos")))


@pytest.fixture(scope="session")
def trained(photos: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """A network from scratch, that nothing shall change; its checkpoint is kept, and test photos watched."""
    return scratch(watch_test=True, checkpoint=tmp_path_factory.mktemp("checkpoint")).fit(photos)


@pytest.fixture(scope="session")
def saved(trained: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That network on disk."""
    return trained.save(tmp_path_factory.mktemp("saved") / "model")
