"""How faithful an exported file is: its answers beside the original's, on the same photos."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from lightprobe.errors import DataError
from lightprobe.export.exported import ExportedClassifier
from lightprobe.export.graph import Model
from lightprobe.images import ImageSet, open_unlabelled
from lightprobe.photo_model import Prediction, features_of
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
    answers = list(exported.iter_predictions(images, top=len(exported.classes_)))
    good = np.array([not answer.error for answer in answers])
    if not good.any():
        raise DataError(
            f"None of the photos in {photos} can be decoded, so parity cannot be measured: give others."
        )
    ours = np.array([_by_class(answer, exported.classes_) for answer in answers if not answer.error])
    theirs = original.probabilities(features_of(original, images.select(good), Runtime()))
    same = ours.argmax(axis=1) == theirs.argmax(axis=1)
    return Parity(len(ours), photos, float(same.mean()), float(np.abs(ours - theirs).max()))


def _by_class(answer: Prediction, classes: "np.typing.NDArray[np.str_]") -> list[float]:
    """Bring an answer that names all classes, the best first, into their own order."""
    probability = dict(zip(answer.labels, answer.probabilities, strict=True))
    return [probability[name] for name in classes]


def synthetic_photos(side: int, seed: int = 0) -> ImageSet:
    """Make pictures to compare on where there are no photos: blurred noise, some coarse, some fine."""
    rng = np.random.default_rng(seed)
    pictures = []
    for place in range(SYNTHETIC):
        cells = 2 ** (1 + place % 5)
        coarse = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        pictures.append(np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)))
    return open_unlabelled(pictures)
