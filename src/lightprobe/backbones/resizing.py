"""One resize for training, prediction, serving and checks: antialiased, Pillow's pixels but for rounding.

fast_image_resize (Rust, the package cykooz-resizer) does it, and Pillow on Linux on ARM, where that has no
wheels. Both weigh the pixels under each new one by a triangle (bilinear) or by Keys' cubic with a = −1/2
(bicubic) that is as wide as the reduction, and both round, and cut off at 0 and 255, after each direction.
"""

import platform
import sys
import threading
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import BackboneError

Pixels = NDArray[np.uint8]
Interpolation = Literal["bilinear", "bicubic"]


def resize(image: Pixels, size: tuple[int, int], interpolation: Interpolation) -> Pixels:
    """Resize one photo, up or down; safe on several threads, and other threads run meanwhile.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        In any order of memory.
    size : (height, width)
        Pixels.
    interpolation : {"bilinear", "bicubic"}

    Returns
    -------
    ndarray of uint8, shape (*size, 3)
        A new one, in C order.

    Raises
    ------
    BackboneError
        An image of another shape or kind, a side below 1, or an unknown interpolation.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise BackboneError(
            f"resize got {image.dtype} of shape {image.shape}; it takes uint8 (height, width, 3), not empty."
        )
    if min(size) < 1:
        raise BackboneError(f"resize got the size {size}; each side must be at least 1 pixel.")
    if interpolation not in (known := get_args(Interpolation)):
        raise BackboneError(f"resize got interpolation {interpolation!r}; allowed are {' and '.join(known)}.")
    return _resize(image, size, interpolation)


def resize_with_pillow(image: Pixels, size: tuple[int, int], interpolation: Interpolation) -> Pixels:
    """Resize as `resize` says, by Pillow; what it takes was checked."""
    from PIL import Image

    how = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[interpolation]
    return np.array(Image.fromarray(image).resize((size[1], size[0]), how))


def resize_with_rust(image: Pixels, size: tuple[int, int], interpolation: Interpolation) -> Pixels:
    """Resize as `resize` says, by fast_image_resize; what it takes was checked."""
    from cykooz_resizer import FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer

    how = {"bilinear": FilterType.bilinear, "bicubic": FilterType.catmull_rom}[interpolation]
    if not hasattr(_kept, "resizer"):
        _kept.resizer = Resizer()
    source = ImageData(image.shape[1], image.shape[0], PixelType.U8x3, image.tobytes())
    resized = ImageData(size[1], size[0], PixelType.U8x3)
    options = ResizeOptions(resize_alg=ResizeAlg.convolution(how), use_alpha=False)
    _kept.resizer.resize(source, resized, options)
    pixels = np.frombuffer(resized.get_buffer(), np.uint8).reshape(*size, 3)
    return pixels.copy()  # of one's own, that may be written to


def has_fast_wheels(system: str, machine: str) -> bool:
    """Say whether cykooz-resizer is among the dependencies, as the marker in pyproject.toml says it."""
    return system != "linux" or machine != "aarch64"


_kept: Final = threading.local()  # a resizer keeps buffers between photos, and serves one thread at a time
_is_fast: Final = has_fast_wheels(sys.platform, platform.machine())
_resize: Final = resize_with_rust if _is_fast else resize_with_pillow
