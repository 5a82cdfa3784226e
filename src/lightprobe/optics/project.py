"""OpticalFeatures: bits or floats -> |XR|², as a scikit-learn transformer."""

from dataclasses import replace
from typing import Any, Self

import array_api_compat
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from lightprobe.errors import DataError
from lightprobe.optics.camera import Camera
from lightprobe.optics.dense import dense_work_bytes
from lightprobe.optics.projection import Projection, drawn_seed
from lightprobe.optics.structured import structured_work_bytes

__all__ = ["OpticalFeatures", "memory_needed"]


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
        projection = self._projection(seed=0)
        rows = self._validated(X, reset=True)
        self.seed_ = drawn_seed(self.random_state)
        self._clock = {"generate": 0.0}  # a reading, not state: `transform` leaves the attributes as they are
        projection = replace(projection, seed=self.seed_).exposed(rows)
        if projection.exposure is not None:
            self.exposure_ = projection.exposure
        return self

    @classmethod
    def from_projection(cls, projection: Projection, n_features: int, random_state: int) -> Self:
        """Return the estimator, fitted to rows of `n_features` columns, whose map a projection is."""
        features = cls(
            projection.n_components,
            projection=projection.kind,
            camera=projection.camera,
            packed_bits=projection.packed_bits,
            random_state=random_state,
            dtype=projection.dtype,
            device=projection.device,
        )
        features.n_features_in_, features.seed_ = n_features, projection.seed
        features._clock = {"generate": 0.0}
        if projection.exposure is not None:
            features.exposure_ = projection.exposure
        return features

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
        features, self._clock["generate"] = self._projection(self.seed_).timed(rows)
        return features

    def _projection(self, seed: int) -> Projection:
        return Projection(
            self.n_components,
            seed,
            self.projection,
            self.camera,
            getattr(self, "exposure_", None),
            self.packed_bits,
            self.dtype,
            self.device,
        )

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
