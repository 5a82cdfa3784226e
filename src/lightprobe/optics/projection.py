"""A random optical projection as a value: rows in, |xR|² or what a camera counts of it out."""

import math
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np

from lightprobe.devices import CPU, device_of, double_device
from lightprobe.errors import OptionError
from lightprobe.optics.camera import Camera
from lightprobe.optics.dense import dense_projection, new_features
from lightprobe.optics.structured import structured_projection

DTYPES: Final = ("float32", "float16")
KINDS: Final = ("structured", "dense")
EXPOSURE_SAMPLE: Final = 256  # rows, and pixels of each, that set the exposure


def drawn_seed(random_state: np.random.RandomState | int | None) -> int:
    """Draw the seed of R from a random state, as scikit-learn understands it; an int gives the same seed."""
    if random_state is None:
        return int(np.random.randint(2**31 - 1))  # noqa: NPY002
    if not isinstance(random_state, np.random.RandomState):
        random_state = np.random.RandomState(random_state)
    return int(random_state.randint(2**31 - 1))


@dataclass(frozen=True)
class Projection:
    """φ(x) = |xR|²/√k for one R, or a camera's counts round(exposure · |xR|²); `OpticalFeatures` holds one.

    Attributes
    ----------
    n_components : int
        k.
    seed : int
        What R is made of.
    kind : {"structured", "dense"}
    camera : Camera or None
    exposure : float or None
        Counts per unit of |xR|², where there is a camera; `exposed` sets it.
    packed_bits : int or None
        The number of bits of a row, where rows come packed.
    dtype : {"float32", "float16"}
        Type of the features.
    device : str
        Where the arithmetic is done; "auto" takes CUDA where there is one.

    Raises
    ------
    OptionError
        If a value is not allowed.
    """

    n_components: int
    seed: int
    kind: str = "structured"
    camera: Camera | None = None
    exposure: float | None = None
    packed_bits: int | None = None
    dtype: str = "float32"
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, value in (("n_components", self.n_components), ("packed_bits", self.packed_bits)):
            optional = value is None and name == "packed_bits"
            if not optional and (not isinstance(value, int | np.integer) or value < 1):
                raise OptionError(f"{name} is {value!r}; give a whole number of at least 1.")
        for name, choice, allowed in (("projection", self.kind, KINDS), ("dtype", self.dtype, DTYPES)):
            if choice not in allowed:
                raise OptionError(f"{name} is {choice!r}; give one of {', '.join(allowed)}.")

    def exposed(self, X: Any) -> Self:
        """Return it with the exposure that its camera takes for rows X (n, m); itself without a camera.

        Raises
        ------
        DataError
            If no light falls on the camera.
        """
        if self.camera is None:
            return self
        sample = X[:: -(-len(X) // EXPOSURE_SAMPLE)]
        intensities = np.empty((len(sample), min(self.n_components, EXPOSURE_SAMPLE)), np.float32)
        self._project(sample, intensities, scale=1.0)
        return replace(self, exposure=self.camera.exposure_for(intensities))

    def __call__(self, X: Any) -> Any:
        """φ(X), (n, k), of rows X (n, m), an array or a tensor as X is; warns as `timed`."""
        return self.timed(X)[0]

    def timed(self, X: Any) -> tuple[Any, float]:
        """φ(X), and the seconds that went into making R.

        Warns
        -----
        SaturationWarning
            If the camera saturates on more pixels than it accepts.
        """
        if self.camera is None:
            features = new_features(X, self.n_components, self.dtype)
            return features, self._project(X, features)
        assert self.exposure is not None
        features = new_features(X, self.n_components, "uint8")
        seconds = self._project(X, features, scale=self.exposure, levels=self.camera.levels)
        saturated = int((features == self.camera.levels).sum())
        self.camera.warn_if_saturated(saturated, math.prod(features.shape), self.exposure)
        return features, seconds

    def _project(self, X: Any, out: Any, scale: float | None = None, levels: int | None = None) -> float:
        device = device_of(X) if self.device == "auto" else self.device
        if self.device == "auto" and device == CPU:
            device = double_device("auto")
        options: dict[str, Any] = {
            "packed_bits": self.packed_bits,
            "device": device,
            "scale": scale,
            "levels": levels,
            "out": out,
        }
        if self.kind == "structured":
            structured_projection(X, out.shape[1], self.seed, **options)
            return 0.0
        return dense_projection(X, out.shape[1], self.seed, **options)[1]
