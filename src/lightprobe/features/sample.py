"""A few prepared photos, to calibrate a network on or to compare precisions with."""

import numpy as np
import torch

from lightprobe.backbones import Preprocessing, pixel_planes
from lightprobe.errors import ImageError
from lightprobe.images import ImageSet, decode


def sample_pixels(
    images: ImageSet, preprocessing: Preprocessing, n: int, random_state: int = 0
) -> torch.Tensor:
    """Prepare up to n photos, drawn at random; those that cannot be decoded are passed over.

    Returns
    -------
    Tensor of uint8, shape (n or fewer, 3, crop, crop)
    """
    pixels: list[torch.Tensor] = []
    for index in np.random.default_rng(random_state).permutation(len(images)):
        if len(pixels) == n:
            break
        try:
            image = decode(
                images.read(int(index)), max_pixels=images.max_pixels, at_least=preprocessing.resize
            )
        except ImageError:
            continue
        pixels.append(preprocessing.prepare(pixel_planes(image)))
    side = preprocessing.crop
    return torch.stack(pixels) if pixels else torch.empty((0, 3, side, side), dtype=torch.uint8)
