"""One resize: Pillow's pixels but for rounding, whatever the way, size, order of memory or thread."""

import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from packaging.requirements import Requirement
from PIL import Image

from lightprobe.backbones import resizing
from lightprobe.backbones.resizing import Interpolation, resize
from lightprobe.errors import BackboneError

Pixels = NDArray[np.uint8]

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# From and to (height, width): smaller, larger, one of each, one side as it is, single pixels and lines.
SIZES = [
    ((90, 121), (37, 41)),
    ((90, 121), (90, 41)),
    ((37, 41), (90, 121)),
    ((90, 20), (30, 60)),
    ((64, 64), (64, 64)),
    ((1, 1), (7, 9)),
    ((1, 121), (5, 40)),
    ((90, 1), (30, 3)),
    ((90, 121), (1, 1)),
    ((90, 121), (1, 60)),
]
each_way = pytest.mark.parametrize("interpolation", list(PILLOW))


def photo(height: int, width: int) -> Pixels:
    """Waves, an edge, and some noise, with room for what a cubic adds at edges."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [np.sin(x / 9) * np.cos(y / 7), np.cos(x * y / 300), np.sign(x - y)]
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return (np.stack(channels, axis=-1) * 60 + 127 + noise).clip(0, 255).astype(np.uint8)


def weights(old: int, new: int, interpolation: str) -> NDArray[np.float64]:
    """Closed form of an antialiased resize of one side, (new, old): rows of the kernel, each of sum one."""
    scale = old / new
    width = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    t = np.abs(np.arange(old) + 0.5 - centres[:, None]) / width
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2  # Keys' cubic, a = −1/2
    cubic = np.where(t < 1, near, np.where(t < 2, far, 0))
    kernel = np.maximum(1 - t, 0) if interpolation == "bilinear" else cubic
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))


@each_way
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_pixels_are_pillows_but_for_rounding(
    old: tuple[int, int], new: tuple[int, int], interpolation: Interpolation
) -> None:
    image = photo(*old)
    resized = resize(image, new, interpolation)
    truth = np.asarray(Image.fromarray(image).resize(new[::-1], PILLOW[interpolation]))
    assert resized.shape == truth.shape
    assert resized.dtype == np.uint8
    difference = np.abs(resized.astype(int) - truth)
    assert difference.max() <= 2
    assert np.mean(difference > 1) <= 0.002


@each_way
@pytest.mark.parametrize("how", [resize, resizing.resize_with_pillow])
@pytest.mark.parametrize(("old", "new"), SIZES)
def test_pixels_are_the_closed_forms_but_for_rounding(
    how: Callable[..., Pixels], old: tuple[int, int], new: tuple[int, int], interpolation: Interpolation
) -> None:
    image = photo(*old)
    rows, columns = (weights(a, b, interpolation) for a, b in zip(old, new, strict=True))
    truth = np.einsum("ih,hwc,jw->ijc", rows, image.astype(float), columns, optimize=True).clip(0, 255)
    difference = np.abs(how(image, new, interpolation) - truth)
    assert difference.max() < 2.5  # a half in each direction, the first enlarged by the kernel's lobes
    assert difference.mean() < 0.5


@pytest.mark.parametrize("how", [resize, resizing.resize_with_pillow])
def test_the_order_of_memory_does_not_matter_and_the_answer_is_ones_own(how: Callable[..., Pixels]) -> None:
    image = photo(60, 81)
    truth = how(image, (20, 30), "bicubic")
    for same in (np.asfortranarray(image), image[:, ::-1][:, ::-1], image.transpose(2, 0, 1).copy()):
        view = same.transpose(1, 2, 0) if len(same) == 3 else same
        resized = how(view, (20, 30), "bicubic")
        np.testing.assert_array_equal(resized, truth)
        assert resized.flags.c_contiguous
        assert resized.flags.writeable
    every_other = how(image[::2, ::3], (20, 30), "bicubic")
    np.testing.assert_array_equal(every_other, how(image[::2, ::3].copy(), (20, 30), "bicubic"))
    kept = how(image, (60, 81), "bilinear")
    kept[:] = 0
    np.testing.assert_array_equal(image, photo(60, 81))


def test_threads_do_not_disturb_each_other() -> None:
    images = [photo(40 + i, 50 + 2 * i) for i in range(40)]
    alone = [resize(image, (24, 31), "bicubic") for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: resize(image, (24, 31), "bicubic"), images))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_way_is_the_one_that_the_dependencies_bring() -> None:
    texts = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    (fast,) = (Requirement(text) for text in texts if text.startswith("cykooz-resizer"))
    assert fast.marker is not None
    for system, machine in product(("linux", "darwin", "win32"), ("x86_64", "aarch64", "arm64", "AMD64")):
        has = fast.marker.evaluate({"sys_platform": system, "platform_machine": machine})
        assert has == resizing.has_fast_wheels(system, machine)
    assert not resizing.has_fast_wheels("linux", "aarch64")


@pytest.mark.parametrize(
    ("image", "size", "how", "said"),
    [
        (np.zeros((4, 4, 3)), (2, 2), "bicubic", r"float64 of shape \(4, 4, 3\); it takes uint8"),
        (np.zeros((4, 4), np.uint8), (2, 2), "bicubic", r"uint8 of shape \(4, 4\); it takes"),
        (np.zeros((4, 4, 4), np.uint8), (2, 2), "bicubic", r"shape \(4, 4, 4\); it takes"),
        (np.zeros((0, 4, 3), np.uint8), (2, 2), "bicubic", "not empty"),
        (np.zeros((4, 4, 3), np.uint8), (0, 2), "bicubic", "each side must be at least 1"),
        (np.zeros((4, 4, 3), np.uint8), (2, 2), "nearest", "allowed are bilinear and bicubic"),
    ],
)
def test_what_cannot_be_resized_is_refused_in_one_sentence(
    image: Pixels, size: tuple[int, int], how: Interpolation, said: str
) -> None:
    with pytest.raises(BackboneError, match=said):
        resize(image, size, how)
