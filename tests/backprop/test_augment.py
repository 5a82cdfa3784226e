from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from lightprobe.backprop import Recipe
from lightprobe.backprop.augment import augment

pytestmark = pytest.mark.torch


def test_a_crop_of_everything_is_the_picture_and_half_of_them_are_mirrored() -> None:
    pictures = torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8)
    whole = Recipe(scale=(1.0, 1.0), flip=False)
    same = augment(pictures, torch.ones(64), 16, whole)
    torch.testing.assert_close(same, pictures.float(), atol=1e-2, rtol=0)
    torch.manual_seed(0)
    turned = augment(pictures, torch.ones(64), 16, replace(whole, flip=True))
    mirrored = (turned - pictures.flip(3)).abs().amax((1, 2, 3)) < 0.1
    upright = (turned - pictures).abs().amax((1, 2, 3)) < 0.1
    assert (mirrored ^ upright).all()
    assert 16 < int(mirrored.sum()) < 48


def test_crops_keep_the_share_and_the_proportions_that_the_recipe_says() -> None:
    # Position as colour: a crop's extent can be read off its first and last pixels.
    ramp = torch.linspace(0, 255, 64).round().to(torch.uint8)
    picture = torch.stack(
        [ramp.expand(64, 64), ramp.expand(64, 64).T, torch.zeros(64, 64, dtype=torch.uint8)]
    )
    aspects = torch.full((200,), 4 / 3)
    recipe = Recipe(scale=(0.3, 0.5), ratio=(0.8, 1.25), flip=False)
    views = augment(picture.expand(200, -1, -1, -1), aspects, 32, recipe) / 255
    width = (views[:, 0, 0, -1] - views[:, 0, 0, 0]) * 32 / 31
    height = (views[:, 1, -1, 0] - views[:, 1, 0, 0]) * 32 / 31
    area = width * height
    ratio = width * (4 / 3) / height
    assert 0.28 < area.min() < 0.33
    assert 0.47 < area.max() < 0.53
    assert 0.78 < ratio.min() < 0.85
    assert 1.18 < ratio.max() < 1.3
