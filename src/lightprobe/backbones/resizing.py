"""Temporary."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Interpolation = Literal["bilinear", "bicubic"]


def resize(
    image: NDArray[np.uint8], size: tuple[int, int], interpolation: Interpolation
) -> NDArray[np.uint8]:
    how = Image.Resampling.BICUBIC if interpolation == "bicubic" else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), how))
