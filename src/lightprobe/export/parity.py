"""How faithful an exported file is: its answers beside the original's, on the same photos."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lightprobe.devices import CPU
from lightprobe.errors import DataError
from lightprobe.export.exported import ExportedClassifier
from lightprobe.export.heads import Model
from lightprobe.features import extract_tap_sets
from lightprobe.images import ImageSet, open_unlabelled
from lightprobe.photo_model import features_of
from lightprobe.runtime import Runtime

SYNTHETIC = 64


@dataclass(frozen=True)
class Parity:
    """A model and its file on the same photos.

    Attributes
    ----------
    n : int
        Photos.
    photos : str
        Where they come from.
    top1_agreement : float
        Share of photos to which both give the same most probable class: the file as other programs run it,
        with photos decoded in full, and the model as it predicts, in its own precision.
    max_probability_difference : float
        Largest difference of any probability, between these.
    max_difference_in_fp32 : float or None
        The same between the file and the model in fp32, both given the same pixels: what is due to the file
        alone. None for an int8 network.
    """

    n: int
    photos: str
    top1_agreement: float
    max_probability_difference: float
    max_difference_in_fp32: float | None


def measure(original: Model, exported: ExportedClassifier, images: ImageSet, photos: str) -> Parity:
    """Ask both about the photos, of which those that cannot be decoded are left out."""
    rows = list(exported.iter_probabilities(images, in_full=True))
    good = np.array([not isinstance(row, str) for row in rows])
    if not good.any():
        raise DataError(
            f"None of the photos in {photos} can be decoded, so parity cannot be measured: give others."
        )
    images = images.select(good)
    ours = np.stack([row for row in rows if not isinstance(row, str)])
    theirs = original.probabilities(features_of(original, images, Runtime()))
    same = ours.argmax(axis=1) == theirs.argmax(axis=1)
    alone = None
    if all(network.precision != "int8" for network in original.networks):
        alone = float(np.abs(exported.predict_proba(images) - _in_fp32(original, images)).max())
    return Parity(len(ours), photos, float(same.mean()), float(np.abs(ours - theirs).max()), alone)


def _in_fp32(model: Model, images: ImageSet) -> NDArray[np.float64]:
    """Probabilities (n, n_classes) of a model whose networks run in fp32."""
    runners = [
        replace(network, precision="fp32").compiled([tap], CPU)
        for network, tap in zip(model.networks, model.tap_set.taps, strict=True)
    ]
    seen = extract_tap_sets(images, runners, [model.tap_set], Runtime(strict=True))
    return model.probabilities(seen.matrices[model.tap_set])


def synthetic_photos(side: int, seed: int = 0) -> ImageSet:
    """Make pictures to compare on where there are no photos: blurred noise, some coarse, some fine."""
    rng = np.random.default_rng(seed)
    pictures = []
    for place in range(SYNTHETIC):
        cells = 2 ** (1 + place % 5)
        coarse = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        pictures.append(np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)))
    return open_unlabelled(pictures)
