"""One look at every file, without a network: can it be read, what is odd, which pixels are the same."""

import hashlib
import io
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from lightprobe.check.alignment import FINE_SIDE, thumbnail
from lightprobe.errors import ImageError, ImageTooLargeError
from lightprobe.images import ImageSet, decode, read_jpeg_structure, sniff

AHEAD = 4  # photos a worker that may wait, decoded, for their turn
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
    """What one file is.

    Attributes
    ----------
    index : int
        The photo in its image set.
    unreadable : str
        Why it cannot be decoded; empty if it can.
    remedy : str
        What to do about that.
    oddities : tuple of (str, str)
        What is odd about it, and what to do.
    pixels : bytes
        Digest of its pixels, upright and in RGB: equal for equal pictures, however they are stored.
    thumbnail : ndarray of uint8
        Its grey values, small.
    """

    index: int
    unreadable: str = ""
    remedy: str = ImageError.remedy
    oddities: tuple[tuple[str, str], ...] = ()
    pixels: bytes = b""
    thumbnail: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((1, 1), np.uint8), repr=False)


def scan(images: ImageSet, workers: int | None = None) -> Iterator[Seen]:
    """Look at every file, in order, a few decoded photos in memory at a time."""
    workers = workers or max(1, (os.cpu_count() or 2) // 2)
    waiting: deque[Future[Seen]] = deque()
    executor = ThreadPoolExecutor(workers, "lightprobe-check", torch.set_num_threads, (1,))
    try:
        for index in range(len(images)):
            waiting.append(executor.submit(_look, images, index))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _look(images: ImageSet, index: int) -> Seen:
    try:
        content = images.read(index)
        pixels, odd = _decoded(content, images.max_pixels)
    except ImageError as error:
        return Seen(index, unreadable=error.reason, remedy=error.remedy)
    except OSError as error:
        return Seen(index, unreadable=f"cannot be read: {error.strerror or error}")
    digest = hashlib.blake2b(f"{pixels.shape}".encode(), digest_size=16)
    digest.update(pixels.data)
    odd += _odd_pixels(pixels)
    if isinstance(content, bytes):
        odd += _odd_file(content, images.paths[index])
    small = thumbnail(_grey(pixels))
    return Seen(index, oddities=tuple(odd), pixels=digest.digest(), thumbnail=small)


def _decoded(
    content: bytes | NDArray[np.uint8], max_pixels: int
) -> tuple[NDArray[np.uint8], list[tuple[str, str]]]:
    """Decode in full, or, where memory has no room for that, at the reduced scale that training takes."""
    try:
        return decode(content, max_pixels=max_pixels), []
    except ImageTooLargeError as error:
        small = decode(content, max_pixels=max_pixels, at_least=FINE_SIDE)
        return small, [
            (f"looked at in part of its detail: {error.reason}", "nothing: training looks so, too")
        ]


def _odd_pixels(pixels: NDArray[np.uint8]) -> Iterator[tuple[str, str]]:
    height, width, _ = pixels.shape
    size = f"{width} × {height} pixels"
    if min(height, width) < TINY_SIDE:
        yield f"tiny: {size}", "replace it by a larger version"
    if max(height, width) > EXTREME_ASPECT * min(height, width):
        yield f"extreme aspect: {size}", "crop it: the network sees a square"
    spread = float(pixels.mean(axis=2).std())
    if spread < BLANK_SPREAD:
        yield f"blank: its grey values spread by {spread:.1f} of 255", "remove it"


def _odd_file(content: bytes, path: str) -> Iterator[tuple[str, str]]:
    kind = sniff(content)
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


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).convert("L"))
