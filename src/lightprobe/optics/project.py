"""OpticalFeatures: bits or floats -> |XR|², as a scikit-learn transformer."""

import math
from typing import Any, Self

import array_api_compat
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from lightprobe.devices import CPU, device_of, double_device
from lightprobe.errors import DataError, OptionError
from lightprobe.optics.camera import Camera
from lightprobe.optics.dense import dense_projection, dense_work_bytes, new_features
from lightprobe.optics.structured import structured_projection, structured_work_bytes

__all__ = ["OpticalFeatures", "memory_needed"]

_DTYPES = ("float32", "float16")
_PROJECTIONS = ("structured", "dense")
_EXPOSURE_SAMPLE = 256  # rows, and pixels of each, that set the exposure


def memory_needed(
    n_samples: int,
    n_features: int,
    n_components: int,
    *,
    projection: str = "structured",
    itemsize: int = 4,
) -> int:
    """Bytes that a projection on a CPU takes beside its input: the result and the largest work space.

    Parameters
    ----------
    n_samples, n_features, n_components : int
        n, m and k.
    projection : {"structured", "dense"}
    itemsize : int
        Bytes of one feature: 4 for float32, 2 for float16, 1 behind a camera.
    """
    work = structured_work_bytes if projection == "structured" else dense_work_bytes
    return n_samples * n_components * itemsize + work(n_samples, n_features, n_components)


class OpticalFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Random optical features φ(x) = |xR|²/√k, R (m, k) of circular complex Gaussians with E|r|² = 1.

    E φ(x)·φ(y) = |x|²|y|² + (x·y)², with an error that falls as 1/√k (Ohana et al. 2019,
    arXiv:1910.09880). numpy arrays come back as numpy arrays, torch tensors as torch tensors on
    the device they came from; bits (uint8 or bool of 0 and 1) and floats are both taken as they are.

    Parameters
    ----------
    n_components : int, default=1000
        k, the number of features.
    projection : {"structured", "dense"}, default="structured"
        "structured" takes O(m log m + k log k) a photo and is at least as exact at equal k; "dense"
        draws every entry of R on its own, O(m k), as the optics do.
    camera : Camera, optional
        Return the uint8 counts of this camera instead of φ: round(exposure_ · |xR|²), clipped.
    packed_bits : int, optional
        The number of bits m of a row, where rows come packed as `numpy.packbits(bits, axis=1)` makes them.
    random_state : int, RandomState or None, default=None
        The same int gives the same features whatever the batch size, thread count or device,
        to the rounding of `dtype`.
    dtype : {"float32", "float16"}, default="float32"
        Type of the features; dense features on a GPU are also computed in it.
    device : str, default="auto"
        Where the arithmetic is done; "auto" takes CUDA where there is one.

    Attributes
    ----------
    n_features_in_ : int
        Columns of X, which are m or, for packed bits, ⌈m/8⌉.
    seed_ : int
        The seed drawn from `random_state`.
    exposure_ : float
        Counts per unit of |xR|²; only with a camera.
    generate_seconds_ : float
        Seconds that the last projection spent making R; 0 for "structured".

    Examples
    --------
    >>> import numpy as np
    >>> bits = np.eye(3, 1000, dtype=np.uint8)
    >>> OpticalFeatures(n_components=64, random_state=0).fit_transform(bits).shape
    (3, 64)
    """

    def __init__(
        self,
        n_components: int = 1000,
        *,
        projection: str = "structured",
        camera: Camera | None = None,
        packed_bits: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        dtype: str = "float32",
        device: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.projection = projection
        self.camera = camera
        self.packed_bits = packed_bits
        self.random_state = random_state
        self.dtype = dtype
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn the number of features and, with a camera, the exposure; draw the seed.

        Parameters
        ----------
        X : array or tensor of shape (n_samples, n_features)
        y : ignored

        Raises
        ------
        OptionError
            If a parameter has a value that is not allowed.
        DataError
            If X does not suit the parameters.
        """
        self._check_options()
        rows = self._validated(X, reset=True)
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._clock = {"generate": 0.0}  # a reading, not state: `transform` leaves the attributes as they are
        if self.camera is not None:
            every = -(-len(rows) // _EXPOSURE_SAMPLE)
            sample = rows[::every]
            intensities = np.empty((len(sample), min(self.n_components, _EXPOSURE_SAMPLE)), np.float32)
            self._project(sample, intensities, scale=1.0)
            self.exposure_ = self.camera.exposure_for(intensities)
        return self

    def transform(self, X: Any) -> Any:
        """φ(X), or the camera's counts.

        Parameters
        ----------
        X : array or tensor of shape (n_samples, n_features)

        Returns
        -------
        array or tensor, as X is, of shape (n_samples, n_components)

        Warns
        -----
        SaturationWarning
            If the camera saturates on more pixels than it accepts.
        """
        check_is_fitted(self, "seed_")
        rows = self._validated(X, reset=False)
        if self.camera is None:
            features = new_features(rows, self.n_components, self.dtype)
            self._project(rows, features)
        else:
            features = new_features(rows, self.n_components, "uint8")
            self._project(rows, features, scale=self.exposure_, levels=self.camera.levels)
            saturated = int((features == self.camera.levels).sum())
            self.camera.warn_if_saturated(saturated, math.prod(features.shape), self.exposure_)
        return features

    def _check_options(self) -> None:
        for name, value in (("n_components", self.n_components), ("packed_bits", self.packed_bits)):
            optional = value is None and name == "packed_bits"
            if not optional and (not isinstance(value, int | np.integer) or value < 1):
                raise OptionError(f"{name} is {value!r}; give a whole number of at least 1.")
        for name, choice, allowed in (
            ("projection", self.projection, _PROJECTIONS),
            ("dtype", self.dtype, _DTYPES),
        ):
            if choice not in allowed:
                raise OptionError(f"{name} is {choice!r}; give one of {', '.join(allowed)}.")

    def _validated(self, X: Any, *, reset: bool) -> Any:
        """X as an array or a tensor of its own type, after scikit-learn's checks."""
        if array_api_compat.is_torch_array(X):
            if X.ndim != 2 or X.is_complex() or not X.numel():
                raise DataError(
                    f"got a {X.dtype} tensor of shape {tuple(X.shape)}; give real (n_samples, n_features)."
                )
            if reset:
                self.n_features_in_: int = X.shape[1]
            elif X.shape[1] != self.n_features_in_:
                raise DataError(
                    f"X has {X.shape[1]} columns, but OpticalFeatures was fitted on {self.n_features_in_}."
                )
            rows = X.detach()
        else:
            kinds = [np.float32, np.float16, np.uint8, np.int8, np.bool_]
            rows = validate_data(self, X, reset=reset, dtype=kinds, order="C")
        if self.packed_bits is not None:
            columns = -(-self.packed_bits // 8)
            if not str(rows.dtype).endswith("uint8") or rows.shape[1] != columns:
                raise DataError(
                    f"{self.packed_bits} packed bits are {columns} uint8 columns, but X has "
                    f"{rows.shape[1]} of {rows.dtype}; pack them with numpy.packbits(bits, axis=1)."
                )
        return rows

    def _project(
        self, rows: Any, out: Any, scale: float | None = None, levels: int | None = None
    ) -> None:
        device = device_of(rows) if self.device == "auto" else self.device
        if self.device == "auto" and device == CPU:
            device = double_device("auto")
        options: dict[str, Any] = {
            "packed_bits": self.packed_bits,
            "device": device,
            "scale": scale,
            "levels": levels,
            "out": out,
        }
        k = out.shape[1]
        if self.projection == "structured":
            structured_projection(rows, k, self.seed_, **options)
        else:
            _, self._clock["generate"] = dense_projection(rows, k, self.seed_, **options)

    @property
    def generate_seconds_(self) -> float:
        """Seconds that the last projection spent making R."""
        check_is_fitted(self, "seed_")
        return self._clock["generate"]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components)
