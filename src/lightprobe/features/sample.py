"""A few prepared photos, to calibrate a network on or to compare precisions with."""

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Preprocessing
from lightprobe.errors import ImageError
from lightprobe.images import ImageSet, decode


def sample_pixels(
    images: ImageSet, preprocessing: Preprocessing, n: int, random_state: int = 0
) -> NDArray[np.uint8]:
    """Prepare up to n photos, drawn at random; those that cannot be decoded are passed over.

    Returns
    -------
    ndarray of uint8, shape (n or fewer, crop, crop, 3)
    """
    pixels: list[NDArray[np.uint8]] = []
    for index in np.random.default_rng(random_state).permutation(len(images)):
        if len(pixels) == n:
            break
        try:
            image = decode(
                images.read(int(index)), max_pixels=images.max_pixels, at_least=preprocessing.resize
            )
        except ImageError:
            continue
        pixels.append(preprocessing.prepare(image))
    side = preprocessing.crop
    return np.stack(pixels) if pixels else np.empty((0, side, side, 3), np.uint8)
