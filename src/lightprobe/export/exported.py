"""A graph in a file as a classifier: photos in, answers out, without the network it was made from."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lightprobe.backbones import Preprocessing
from lightprobe.errors import DataError, ModelFileError, OptionError
from lightprobe.export.names import SUFFIXES, Info, format_of
from lightprobe.export.opening import Run, open_exported
from lightprobe.features import prepared
from lightprobe.images import ImageSet, open_unlabelled
from lightprobe.photo_model import Prediction, most_probable

BATCH = 32


class ExportedClassifier:
    """What `lightprobe export` wrote, ready to answer.

    Parameters
    ----------
    run : callable
        From pixels, uint8 (n, 3, s, s), one array an input, to probabilities (n, c).
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
        # Files of one network and look, written before there could be several, do not list it.
        inputs = info.get("inputs") or [{"preprocessing": info["preprocessing"]}]
        self.ways = [Preprocessing.from_config(one["preprocessing"]) for one in inputs]
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
        """
        path = Path(path)
        if format_of(path) is None or not path.is_file():
            suffixes = " or ".join(SUFFIXES.values())
            raise ModelFileError(f"{path} is not an exported model: name a {suffixes} file that is there.")
        return cls(*open_exported(path))

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
        rows = zip(images.paths, self.iter_probabilities(images), strict=True)
        quiet = not self.verbose
        for path, row in tqdm(rows, "Predicting", len(images), unit="image", disable=quiet):
            if isinstance(row, str):
                yield Prediction(path, error=row)
            else:
                yield replace(next(most_probable(row[None], self.classes_.tolist(), top)), path=path)

    def predict_proba(self, data: Any) -> NDArray[np.float64]:
        """Probabilities, shape (n, n_classes).

        Raises
        ------
        DataError
            If a photo cannot be decoded; `iter_predictions` goes on instead.
        """
        images = open_unlabelled(data).limited(self.max_megapixels)
        rows = []
        for path, row in zip(images.paths, self.iter_probabilities(images), strict=True):
            if isinstance(row, str):
                raise DataError(f"{path} {row}: remove or replace it.")
            rows.append(row)
        return np.stack(rows)

    def iter_probabilities(self, images: ImageSet) -> Iterator[NDArray[np.float64] | str]:
        """Yield the probabilities (n_classes,) of each photo, or why there are none, in their order."""
        seen = [prepared(images, way, ahead=2 * BATCH, workers=self.workers) for way in self.ways]
        photos = zip(*seen, strict=True)
        while batch := list(islice(photos, BATCH)):
            pixels = [[one.pixels for one in photo if one.pixels is not None] for photo in batch]
            rows = iter(self._answers([ways for ways in pixels if ways]) if any(pixels) else ())
            for first, *_ in batch:
                yield first.reason if first.pixels is None else next(rows)

    def _answers(self, photos: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) of photos, each as pixels (s, s, 3) for every input."""
        inputs = zip(*photos, strict=True)
        batches = [np.ascontiguousarray(np.stack(pixels).transpose(0, 3, 1, 2)) for pixels in inputs]
        return np.asarray(self._run(batches), np.float64)
