"""Preprocessing gives the pixels that torchvision's own presets give, as uint8 and unnormalised."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lightprobe.backbones import Preprocessing
from lightprobe.errors import BackboneError

Photo = Callable[[int, int], NDArray[np.uint8]]


@pytest.mark.torch
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("height", "width"), [(120, 90), (61, 200), (37, 29), (48, 48)])
def test_prepared_pixels_are_torchvisions_up_to_rounding(
    make_photo: Photo, height: int, width: int, interpolation: str
) -> None:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms._presets import ImageClassification

    photo = make_photo(height, width)
    preset = ImageClassification(
        crop_size=41, resize_size=48, interpolation=InterpolationMode(interpolation), antialias=True
    )
    ours = Preprocessing.from_config({"resize": 48, "crop": 41, "interpolation": interpolation})

    pixels = ours.prepare(photo)

    assert pixels.dtype == np.uint8
    theirs = preset(Image.fromarray(photo)).permute(1, 2, 0).numpy() * preset.std + preset.mean
    difference = np.abs(pixels - 255 * theirs)
    assert difference.max() < 1.01
    assert difference.mean() < 0.25


def test_squashing_keeps_the_whole_photo() -> None:
    photo = np.zeros((32, 64, 3), np.uint8)
    photo[:, :16] = 200  # the outer quarters, which a centre crop cuts off
    photo[:, 48:] = 100
    cropped = Preprocessing(16, 16).prepare(photo)
    squashed = Preprocessing(16, 16, fit="squash").prepare(photo)
    assert cropped.shape == squashed.shape == (16, 16, 3)
    assert not cropped[8, 1:-1].any()
    assert squashed[8, :3, 0].tolist() == [200] * 3
    assert squashed[8, -3:, 0].tolist() == [100] * 3


def test_the_image_size_scales_the_resize_in_proportion() -> None:
    assert Preprocessing(256, 224).with_image_size(112) == Preprocessing(128, 112)
    assert Preprocessing(224, 224).with_image_size(97) == Preprocessing(97, 97)


def test_a_config_survives_json() -> None:
    preprocessing = Preprocessing(36, 32, (0.5, 0.5, 0.5), (0.25, 0.5, 1.0), "bicubic")
    assert Preprocessing.from_config(json.loads(json.dumps(preprocessing.to_config()))) == preprocessing


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"resize": 30, "crop": 32}, "no larger than resize"),
        ({"resize": 32, "crop": 0}, "at least 1"),
        ({"resize": 32, "crop": 32, "std": [0.2, 0.2, 0]}, "above zero"),
        ({"resize": 32, "crop": 32, "mean": [0.5]}, "three numbers"),
        ({"resize": 32, "crop": 32, "mean": 0.5}, "cannot be made"),
        ({"resize": "large", "crop": 32}, "cannot be made"),
        ({"resize": 32, "crop": 32, "interpolation": "nearest"}, "bilinear and bicubic"),
        ({"resize": 32, "crop": 32, "fit": "pad"}, "crop and squash"),
        ({"resize": 32, "crop": 32, "average": 0.5}, "unknown keys average"),
    ],
)
def test_what_no_photo_could_be_prepared_with_is_refused(config: dict[str, object], said: str) -> None:
    with pytest.raises(BackboneError, match=said):
        Preprocessing.from_config(config)
