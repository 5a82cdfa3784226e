"""A graph in a file as a classifier: photos in, answers out, without the network it was made from."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Preprocessing
from lightprobe.bars import tqdm
from lightprobe.errors import DataError, ImageError, ModelFileError, OptionError
from lightprobe.export.names import SUFFIXES, Info, format_of
from lightprobe.export.opening import Run, open_exported
from lightprobe.images import ImageSet, decode, decode_ahead, open_unlabelled
from lightprobe.photo_model import Prediction, most_probable

AHEAD = 16  # photos that may be decoded before they are asked for


class ExportedClassifier:
    """What `lightprobe export` wrote, ready to answer.

    Parameters
    ----------
    run : callable
        From photos of one size, uint8 (n, h, w, 3), to probabilities (n, c).
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
        ways = [Preprocessing.from_config(way) for way in info["preprocessing"]]
        self._side = max(way.resize for way in ways)
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
        self,
        data: Any,
        *,
        top: int = 1,
        unknown: float | None = None,
        why: int = 0,
        coverage: float | None = None,
    ) -> Iterator[Prediction]:
        """Answer photo by photo, in their order; a photo that cannot be decoded gets its error.

        Raises
        ------
        OptionError
            If `unknown`, `why` or `coverage` is asked for: a graph gives probabilities and nothing else.
        """
        if unknown is not None or why or coverage is not None:
            raise OptionError(
                "An exported file gives probabilities only: ask the model it came from to say unknown or "
                "why, or to answer with a coverage."
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

    def iter_probabilities(
        self, images: ImageSet, *, in_full: bool = False
    ) -> Iterator[NDArray[np.float64] | str]:
        """Yield the probabilities (n_classes,) of each photo, or why there are none, in their order.

        Large JPEGs are decoded at a reduced scale, as for the model, unless they are to be decoded in full.
        """
        at_least = None if in_full else self._side

        def work(_: int, content: bytes | NDArray[np.uint8]) -> NDArray[np.uint8]:
            return decode(content, max_pixels=images.max_pixels, at_least=at_least)

        for _, photo in decode_ahead(images, work, ahead=AHEAD, workers=self.workers):
            yield photo.reason if isinstance(photo, ImageError) else self._run(photo[None])[0]
