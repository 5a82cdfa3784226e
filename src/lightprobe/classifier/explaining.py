"""Which training photos a prediction rests on."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.answers import Argument, Explanation
from lightprobe.classifier.kept import Kept
from lightprobe.errors import OptionError
from lightprobe.head import OpticalRidge, Shares
from lightprobe.optics import linear_kernel

Floats = NDArray[np.float64]


class Explainer:
    """Names the training photos that argued for and against a prediction, and the nearest ones.

    Parameters
    ----------
    head : OpticalRidge
        Fitted.
    classes : (n_classes,)
        Their names.
    kept : Kept or None
        The training photos.
    k : int
        How many to name in each list.

    Raises
    ------
    OptionError
        The model keeps nothing of its training photos.
    """

    def __init__(self, head: OpticalRidge, classes: NDArray[np.str_], kept: Kept | None, k: int) -> None:
        if kept is None:
            raise OptionError(
                "This model keeps no features of its training photos, so none can be named: "
                "train again, with keep='features' (--keep features)."
            )
        self._shares = Shares(head, kept.rows, kept.labels)
        self._rows, self._device = kept.rows, head.torch_device
        self._lengths = _lengths(self._rows)
        self._classes, self._kept, self._k = classes, kept, k

    def __call__(self, encoded: NDArray[Any], best: NDArray[np.intp]) -> list[Explanation]:
        """Explain the score of class `best` (n,) for encoded photos (n, m)."""
        encoded = np.asarray(encoded, dtype=self._rows.dtype)
        shares = self._shares(encoded, best)
        cosines = linear_kernel(encoded, self._rows, device=self._device)
        cosines /= np.outer(_lengths(encoded), self._lengths)
        return [
            Explanation(
                str(self._classes[label]),
                float(self._shares.base[label] + row.sum()),
                float(self._shares.base[label]),
                self._named((i for i in np.argsort(-row, kind="stable")[: self._k] if row[i] > 0), row),
                self._named((i for i in np.argsort(row, kind="stable")[: self._k] if row[i] < 0), row),
                self._named(np.argsort(-near, kind="stable")[: self._k], near),
            )
            for row, near, label in zip(shares, cosines, best, strict=True)
        ]

    def _named(self, chosen: Iterable[int], values: Floats) -> tuple[Argument, ...]:
        return tuple(
            Argument(self._kept.names[i], str(self._classes[self._kept.labels[i]]), float(values[i]))
            for i in chosen
        )


def _lengths(rows: NDArray[Any]) -> Floats:
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    return np.where(lengths > 0, lengths, 1.0)
