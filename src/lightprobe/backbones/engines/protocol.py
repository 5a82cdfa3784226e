"""What every engine makes of a backbone: a runner."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones.taps import Tap
from lightprobe.errors import BackboneError

Pixels = NDArray[np.uint8]


class Runner(Protocol):
    """A backbone compiled for a set of taps, a precision and a device.

    Attributes
    ----------
    engine, precision : str
        Never "auto": what runs.
    device : str
        "cpu", "cuda:N" or "mps".
    weight_bytes : int
        What the weights take as the engine holds them.
    taps : tuple of Tap
    fingerprint : str
        Everything of the runner, apart from its backbone, that changes features.
    state : mapping of str to ndarray
        What must be kept, beside the backbone, to compile the same runner elsewhere: of int8 the quantised
        network, else nothing.
    """

    engine: str
    precision: str
    device: str
    weight_bytes: int
    taps: tuple[Tap, ...]
    fingerprint: str
    state: Mapping[str, NDArray[Any]]

    def __call__(self, batch: Pixels) -> dict[Tap, NDArray[np.float32]]:
        """Run one batch.

        Parameters
        ----------
        batch : ndarray of uint8, shape (n, s, s, 3)
            Prepared by the backbone's `Preprocessing`.

        Returns
        -------
        dict
            For each tap its features, float32 (n, d), finished: a clock may be read.
        """


def check_batch(batch: Pixels, side: int) -> None:
    """Refuse pixels that `Preprocessing` has not made; BackboneError says what a runner takes."""
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (side, side, 3):
        raise BackboneError(
            f"A runner got a batch of {batch.dtype} {tuple(batch.shape)}; it takes uint8 (n, "
            f"{side}, {side}, 3), as its backbone's preprocessing makes them."
        )
