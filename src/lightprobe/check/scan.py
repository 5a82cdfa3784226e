"""What each file is, told as its features are made: what is odd about it, which pixels are the same."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightprobe.check.alignment import FINE_SIDE, coarse
from lightprobe.errors import ImageError
from lightprobe.images import ImageSet, decode, read_jpeg_structure, sniff

EXTREME_ASPECT = 4.0
TINY_SIDE = 32
BLANK_SPREAD = 3.0  # standard deviation of the grey values, of 255
ORIENTATION_TAG = 0x0112
COMMON_MODES = ("RGB", "L", "YCbCr")
# What a format's files are called; others lie.
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "WebP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "HEIC": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
}


@dataclass(frozen=True)
class Seen:
    """What one photo is.

    Attributes
    ----------
    size : (int, int)
        Width and height in full, upright.
    reduced : bool
        Whether it was decoded at a smaller scale.
    oddities : tuple of (str, str)
        What is odd about it, and what to do.
    pixels : bytes
        Digest of its pixels, upright and in RGB: equal for equal pictures at one scale.
    coarse : ndarray of uint8
        Its grey values, small.
    """

    size: tuple[int, int]
    reduced: bool
    oddities: tuple[tuple[str, str], ...]
    pixels: bytes
    coarse: NDArray[np.uint8] = field(repr=False)


def look(path: str, content: bytes | NDArray[np.uint8], pixels: NDArray[np.uint8]) -> Seen:
    """Say what a photo is, from its name, its content and its pixels (h, w, 3) at the scale of training."""
    size = width, height = pixels.shape[1], pixels.shape[0]
    odd = list(_odd_pixels(pixels))
    if isinstance(content, bytes):
        kind = sniff(content)
        if kind == "JPEG":
            size = _full_size(content, pixels)
        odd += _odd_file(content, kind, path)
    digest = hashlib.blake2b(f"{size} {pixels.shape}".encode(), digest_size=16)
    digest.update(pixels.data)
    odd += _odd_size(*size)
    return Seen(size, size != (width, height), tuple(odd), digest.digest(), coarse(_grey(pixels)))


def _full_size(content: bytes, pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """Return (width, height) of a JPEG by its header, upright as its pixels are."""
    jpeg = read_jpeg_structure(content)
    height, width, _ = pixels.shape
    turned = (jpeg.width > jpeg.height) != (width > height)
    return (jpeg.height, jpeg.width) if turned else (jpeg.width, jpeg.height)


def _odd_size(width: int, height: int) -> Iterator[tuple[str, str]]:
    size = f"{width} × {height} pixels"
    if min(height, width) < TINY_SIDE:
        yield f"tiny: {size}", "replace it by a larger version"
    if max(height, width) > EXTREME_ASPECT * min(height, width):
        yield f"extreme aspect: {size}", "crop it: the network sees a square"


def _odd_pixels(pixels: NDArray[np.uint8]) -> Iterator[tuple[str, str]]:
    spread = float(pixels.mean(axis=2).std())
    if spread < BLANK_SPREAD:
        yield f"blank: its grey values spread by {spread:.1f} of 255", "remove it"


def _odd_file(content: bytes, kind: str, path: str) -> Iterator[tuple[str, str]]:
    suffix = PurePosixPath(path).suffix.lower()
    if suffix and suffix not in SUFFIXES[kind]:
        yield f"a {kind} file that is called {suffix}", f"rename it to {SUFFIXES[kind][0]}"
    if kind == "JPEG":
        yield from _odd_jpeg(content)
    yield from _odd_header(content)


def _odd_jpeg(content: bytes) -> Iterator[tuple[str, str]]:
    jpeg = read_jpeg_structure(content)
    if not jpeg.ended:
        yield "a JPEG without an end marker; every row of it is there", "save it anew: other tools refuse it"
    if jpeg.stray:
        yield (
            f"a JPEG with {jpeg.stray} stray bytes between its segments",
            "save it anew: other tools refuse it",
        )


def _odd_header(content: bytes) -> Iterator[tuple[str, str]]:
    """Mode and EXIF orientation; the file has been decoded already, so its header is sound."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            mode, orientation = image.mode, image.getexif().get(ORIENTATION_TAG, 1)
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # a phone's depth map
    except Exception:  # formats that Pillow opens only with an extra, and damaged metadata
        return
    if mode not in COMMON_MODES:
        yield f"mode {mode}, not RGB or grey", "nothing, unless its colours look wrong in the report"
    if orientation in range(2, 9):
        yield f"turned by EXIF (orientation {orientation})", "nothing here; other tools may ignore the tag"
    if frames > 1:
        yield f"{frames} frames, of which the first is used", "save the frame that is meant"


def read_grey(images: ImageSet, index: int) -> NDArray[np.uint8]:
    """Decode a photo to grey values (h, w), uint8; ImageError if it cannot be."""
    return _grey(decode(images.read(index), max_pixels=images.max_pixels, at_least=FINE_SIDE))


def same_in_full(images: ImageSet, first: int, second: int) -> bool:
    """Tell whether two photos have the same pixels at full scale; not if there is no room for one of them."""
    try:
        one, other = (decode(images.read(i), max_pixels=images.max_pixels) for i in (first, second))
    except (ImageError, OSError):
        return False
    return np.array_equal(one, other)


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).convert("L"))
