"""Photos decoded once and kept in memory, as squares of bytes, for all epochs."""

import logging
import tempfile
import time
from dataclasses import replace
from typing import Literal

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional

from lightprobe.backbones import Preprocessing
from lightprobe.backprop.batches import Loaded, Samples
from lightprobe.bars import tqdm
from lightprobe.cpus import available_cpus
from lightprobe.errors import DataError, ImageError
from lightprobe.images import ImageSet, Skipped, decode, decode_ahead
from lightprobe.runtime import Runtime

logger = logging.getLogger(__name__)

# A random crop is taken from a photo kept a little larger than the network's input, as 256 is to 224.
MARGIN = 8 / 7
_PROBED = 32  # photos whose size says whether a margin would only enlarge them


def load_pictures(
    images: ImageSet,
    preprocessing: Preprocessing,
    view: Literal["whole", "test"],
    runtime: Runtime,
) -> Loaded:
    """Decode every photo once.

    Parameters
    ----------
    view : {"whole", "test"}
        `whole`: all of the photo, squashed to a square a little larger than the network's input, for random
        crops; `test`: prepared as for prediction.

    Raises
    ------
    DataError
        If the runtime is strict and a photo cannot be decoded, or if none can.
    """
    start = time.perf_counter()
    images = images.limited(runtime.max_megapixels)
    side = preprocessing.crop if view == "test" else _stored_side(images, preprocessing)
    stored = _allocate(len(images), side)
    aspects, seen = torch.ones(len(images)), np.zeros(len(images), bool)
    skipped = []

    how = preprocessing if view == "test" else Preprocessing(resize=side, crop=side, fit="squash")

    def prepare(_index: int, content: bytes | NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
        image = decode(content, max_pixels=images.max_pixels, at_least=side)
        return how.prepare(image), image.shape[1] / image.shape[0]

    workers = runtime.workers or available_cpus()
    photos = decode_ahead(images, prepare, ahead=4 * workers, workers=workers)
    with tqdm(total=len(images), unit="image", desc="Decoding photos", disable=not runtime.progress) as bar:
        for index, photo in photos:
            bar.update()
            if isinstance(photo, ImageError):
                if runtime.strict:
                    raise DataError(
                        f"{images.paths[index]} {photo.reason}: remove or replace it, "
                        "or leave `strict` out to skip such files."
                    )
                skipped.append(Skipped(images.paths[index], photo.reason, remedy=photo.remedy))
                continue
            pixels, aspect = photo
            stored[index] = torch.from_numpy(pixels).permute(2, 0, 1)
            # Where the network is shown squashed photos, crops vary around the squashed shape.
            aspects[index] = 1.0 if view == "test" or preprocessing.fit == "squash" else aspect
            seen[index] = True
    kept = np.flatnonzero(seen)
    if not len(kept):
        raise DataError(
            f"None of the {len(images)} images can be decoded; "
            f"the first, {skipped[0].path}, {skipped[0].reason}: give other files."
        )
    if len(kept) < len(images):
        stored, aspects = stored[torch.from_numpy(kept)], aspects[torch.from_numpy(kept)]
    samples = Samples(stored, torch.from_numpy(images.labels[kept]), aspects)
    return Loaded(samples, kept, tuple(skipped), time.perf_counter() - start)


def at_side(samples: Samples, side: int) -> Samples:
    """Return squares of another side, resized with antialias; the same samples if it is theirs."""
    if samples.inputs.shape[-1] == side:
        return samples
    resized = _allocate(len(samples), side)
    for start in range(0, len(samples), 256):
        rows = slice(start, start + 256)
        resized[rows] = functional.resize(samples.inputs[rows], [side, side], antialias=True)
    return replace(samples, inputs=resized)


def _stored_side(images: ImageSet, preprocessing: Preprocessing) -> int:
    """Return the network's input with a margin, unless the photos themselves have none."""
    wanted = round(preprocessing.crop * MARGIN)
    largest = preprocessing.crop
    for index in np.linspace(0, len(images) - 1, min(_PROBED, len(images))).astype(int):
        try:
            shown = decode(images.read(int(index)), max_pixels=images.max_pixels, at_least=wanted)
            largest = max(largest, *shown.shape[:2])
        except (ImageError, OSError):
            continue
        if largest >= wanted:
            return wanted
    return min(wanted, largest)


def _allocate(n: int, side: int) -> Tensor:
    """Allocate bytes in memory, or in a file that vanishes with the process where it would not hold them."""
    shape = (n, 3, side, side)
    if n * 3 * side * side < psutil.virtual_memory().available // 2:
        return torch.empty(shape, dtype=torch.uint8)
    logger.info("%d photos of %d pixels do not fit in memory: they lie in a temporary file.", n, side)
    with tempfile.TemporaryFile() as file:
        return torch.from_numpy(np.memmap(file, np.uint8, "w+", shape=shape))
