"""A graph in a file as a classifier: photos in, answers out, without the network it was made from."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from tqdm import tqdm

from lightprobe.backbones import Preprocessing
from lightprobe.errors import DataError, ModelFileError, OptionError
from lightprobe.export.formats import FORMATS, Info, Run, format_of
from lightprobe.features import Prepared, prepared
from lightprobe.images import ImageSet, open_unlabelled
from lightprobe.photo_model import Prediction, most_probable

BATCH = 32


class ExportedClassifier:
    """What `lightprobe export` wrote, ready to answer.

    Parameters
    ----------
    run : callable
        From pixels, uint8 (n, 3, s, s), to probabilities (n, c).
    info : dict
        What travels inside the file: classes, preprocessing, parity and the model's facts.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
    info_ : dict
    """

    def __init__(self, run: Run, info: Info) -> None:
        self._run = run
        self.info_ = info
        self.classes_ = np.array(info["classes"])
        self.preprocessing = Preprocessing.from_config(info["preprocessing"])
        self.workers: int | None = None
        self.max_megapixels: float | None = None
        self.verbose = False

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Open an exported file.

        Raises
        ------
        ModelFileError
            If it is not one, or is damaged.
        MissingExtraError
            If what runs it is not installed.
        """
        path = Path(path)
        form = format_of(path)
        if form is None or not path.is_file():
            suffixes = " or ".join(entry.suffix for entry in FORMATS.values())
            raise ModelFileError(f"{path} is not an exported model: name a {suffixes} file that is there.")
        return cls(*form.open(path))

    def set_params(
        self,
        *,
        device: str = "auto",
        workers: int | None = None,
        max_megapixels: float | None = None,
        verbose: bool = False,
    ) -> Self:
        """Set what predicting takes; exported graphs run on the CPU."""
        if device not in ("auto", "cpu"):
            raise OptionError(f"Exported files are run on the CPU here, and not on {device}.")
        self.workers, self.max_megapixels, self.verbose = workers, max_megapixels, verbose
        return self

    def iter_predictions(
        self, data: Any, *, top: int = 1, unknown: float | None = None, why: int = 0
    ) -> Iterator[Prediction]:
        """Answer photo by photo, in their order; a photo that cannot be decoded gets its error.

        Raises
        ------
        OptionError
            If `unknown` or `why` is asked for: a graph gives probabilities and nothing else.
        """
        if unknown is not None or why:
            raise OptionError(
                "An exported file gives probabilities only: ask the model it came from to say unknown or why."
            )
        images = open_unlabelled(data).limited(self.max_megapixels)
        with tqdm(total=len(images), unit="image", desc="Predicting", disable=not self.verbose) as bar:
            for photos in _in_batches(images, self.preprocessing, self.workers):
                yield from self._answers(images, photos, top)
                bar.update(len(photos))

    def predict_proba(self, data: Any) -> "np.typing.NDArray[np.float64]":
        """Probabilities, shape (n, n_classes).

        Raises
        ------
        DataError
            If a photo cannot be decoded; `iter_predictions` goes on instead.
        """
        images = open_unlabelled(data).limited(self.max_megapixels)
        rows = []
        for photos in _in_batches(images, self.preprocessing, self.workers):
            for photo in photos:
                if photo.pixels is None:
                    raise DataError(f"{images.paths[photo.index]} {photo.reason}: remove or replace it.")
            rows.append(self._probabilities(photos))
        return np.concatenate(rows)

    def _probabilities(self, photos: list[Prepared]) -> "np.typing.NDArray[np.float64]":
        pixels = torch.stack([photo.pixels for photo in photos if photo.pixels is not None])
        return np.asarray(self._run(pixels.numpy()), dtype=np.float64)

    def _answers(self, images: ImageSet, photos: list[Prepared], top: int) -> Iterator[Prediction]:
        good = [photo for photo in photos if photo.pixels is not None]
        answers = most_probable(self._probabilities(good), self.classes_.tolist(), top) if good else iter(())
        for photo in photos:
            answer = Prediction("", error=photo.reason) if photo.pixels is None else next(answers)
            yield replace(answer, path=images.paths[photo.index])


def _in_batches(
    images: ImageSet, preprocessing: Preprocessing, workers: int | None
) -> Iterator[list[Prepared]]:
    batch: list[Prepared] = []
    for photo in prepared(images, preprocessing, ahead=2 * BATCH, workers=workers):
        batch.append(photo)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
