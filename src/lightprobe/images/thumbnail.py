"""Small pictures of photos, for pages and runs."""

from base64 import b64encode
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightprobe.images.decoding import decode
from lightprobe.images.imageset import DEFAULT_MAX_PIXELS


def thumbnail(
    content: bytes | NDArray[np.uint8], side: int, *, max_pixels: int = DEFAULT_MAX_PIXELS, quality: int = 80
) -> bytes:
    """Return a photo as a JPEG of at most `side` pixels a side; ImageError if it cannot be decoded."""
    picture = Image.fromarray(decode(content, max_pixels=max_pixels, at_least=side))
    picture.thumbnail((side, side))
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def data_address(jpeg: bytes) -> str:
    """Return a data: address that holds a JPEG, for pages without files beside them."""
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode('ascii')}"
