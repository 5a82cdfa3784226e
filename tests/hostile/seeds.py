"""Whole photos of every format that is read, to be mutated: one picture, forty files."""

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tests.images.corpus_made import SHOWN, made_files

N_SEEDS = 40


def picture() -> NDArray[np.uint8]:
    """A picture (48, 64, 3) in which no two parts are alike."""
    y, x = np.mgrid[:48, :64]
    return np.asarray(np.stack([30 + 2 * x + y, 200 - x + y, 40 + 4 * y], axis=2), dtype=np.uint8)


@cache
def seeds() -> tuple[bytes, ...]:
    """Forty files: some of each format as Pillow writes them, the rest as their standards allow."""
    image = Image.fromarray(picture())
    files = [
        _file(image, "JPEG", quality=90), _file(image, "JPEG", progressive=True),
        _file(image, "JPEG", subsampling=0, restart_marker_blocks=2), _file(image.convert("L"), "JPEG"),
        _file(image.convert("CMYK"), "JPEG"), _file(image, "PNG"), _file(image.convert("RGBA"), "PNG"),
        _file(image.quantize(32), "PNG"), _file(image.quantize(16), "GIF"), _file(image, "WEBP"),
        _file(image, "WEBP", lossless=True), _file(image, "BMP"), _file(image.quantize(16), "BMP"),
        _file(image, "TIFF"), _file(image, "TIFF", compression="tiff_lzw"),
        _file(image, "TIFF", compression="tiff_deflate"), _file(image, "PPM"),
        _file(image.convert("L"), "PPM"),
        _file(image, "AVIF"),
    ]  # fmt: skip
    more = [made.data for made in made_files() if made.verdicts == SHOWN and len(made.data) < 20_000]
    step = len(more) / (N_SEEDS - len(files))
    files += [more[int(place * step)] for place in range(N_SEEDS - len(files))]
    return tuple(files)


def _file(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
