"""How faithful an exported file is: its answers beside the original's, on the same photos."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from lightprobe.errors import DataError
from lightprobe.export.exported import ExportedClassifier
from lightprobe.export.heads import Model
from lightprobe.images import ImageSet, open_unlabelled
from lightprobe.photo_model import features_of
from lightprobe.runtime import Runtime

SYNTHETIC = 64


@dataclass(frozen=True)
class Parity:
    """Two models on the same photos.

    Attributes
    ----------
    n : int
        Photos.
    photos : str
        Where they come from.
    top1_agreement : float
        Share of photos with the same most probable class.
    max_probability_difference : float
        Largest difference of any probability.
    """

    n: int
    photos: str
    top1_agreement: float
    max_probability_difference: float


def measure(original: Model, exported: ExportedClassifier, images: ImageSet, photos: str) -> Parity:
    """Ask both about the photos, of which those that cannot be decoded are left out."""
    rows = list(exported.iter_probabilities(images))
    good = np.array([not isinstance(row, str) for row in rows])
    if not good.any():
        raise DataError(
            f"None of the photos in {photos} can be decoded, so parity cannot be measured: give others."
        )
    ours = np.stack([row for row in rows if not isinstance(row, str)])
    theirs = original.probabilities(features_of(original, images.select(good), Runtime()))
    same = ours.argmax(axis=1) == theirs.argmax(axis=1)
    return Parity(len(ours), photos, float(same.mean()), float(np.abs(ours - theirs).max()))


def synthetic_photos(side: int, seed: int = 0) -> ImageSet:
    """Make pictures to compare on where there are no photos: blurred noise, some coarse, some fine."""
    rng = np.random.default_rng(seed)
    pictures = []
    for place in range(SYNTHETIC):
        cells = 2 ** (1 + place % 5)
        coarse = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        pictures.append(np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)))
    return open_unlabelled(pictures)
