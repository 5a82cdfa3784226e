"""Toys that learn in a second, and estimators that train on them."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.toys import CLASSES, toy_image

from lightprobe.backprop import Recipe

Toys = tuple[NDArray[np.uint8], list[str]]
# Without augmentation: pictures of 24 pixels change their kind when they are enlarged.
PLAIN = Recipe(epochs=4, batch_size=8, lr=0.05, scale=(1.0, 1.0), flip=False)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are faster on one thread, and many workers of a test run do not fight for cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def toys(seeds: range, side: int = 24) -> Toys:
    pictures = [toy_image(kind, seed, side) for kind in CLASSES for seed in seeds]
    return np.stack(pictures), [kind for kind in CLASSES for _ in seeds]


@pytest.fixture
def train_toys() -> Toys:
    return toys(range(12))


@pytest.fixture
def test_toys() -> Toys:
    return toys(range(100, 108))
