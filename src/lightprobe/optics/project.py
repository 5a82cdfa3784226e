"""OpticalFeatures: bits or floats -> |XR|², as a scikit-learn transformer."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from lightprobe.errors import OptionError
from lightprobe.optics.dense import dense_block_size, dense_projection

__all__ = ["OpticalFeatures", "memory_needed"]

_DTYPES = {"float32": torch.float32, "float16": torch.float16}
_PROJECTIONS = ("dense",)
_ROWS = 1024  # rows of X multiplied at a time


def memory_needed(n_samples: int, n_features: int, n_components: int, *, dtype: str = "float32") -> int:
    """Bytes that a projection takes beyond its input: the result, and the largest work space.

    Parameters
    ----------
    n_samples, n_features, n_components : int
        n, m and k.
    dtype : {"float32", "float16"}
        Type of the features.
    """
    result = n_samples * n_components * (4 if dtype == "float32" else 2)
    rows = min(n_samples, _ROWS)
    width = dense_block_size(n_features, n_components)
    return result + 8 * n_features * width + rows * (4 * n_features + 12 * width)


class OpticalFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Random optical features φ(x) = |xR|²/√k, R (m, k) of circular complex Gaussians with E|r|² = 1.

    E φ(x)·φ(y) = |x|²|y|² + (x·y)², with an error that falls as 1/√k (Ohana et al. 2019,
    arXiv:1910.09880). numpy arrays come back as numpy arrays, torch tensors as torch tensors on
    the device they came from; bits (uint8 or bool of 0 and 1) and floats are both taken as they are.

    Parameters
    ----------
    n_components : int, default=1000
        k, the number of features.
    projection : {"dense"}, default="dense"
        How R is made.
    random_state : int, RandomState or None, default=None
        The same int gives the same features whatever the batch size, thread count or device,
        to the rounding of `dtype`.
    dtype : {"float32", "float16"}, default="float32"
        Type of the features.
    device : str, default="auto"
        Where the arithmetic is done: "auto" takes CUDA where there is one.

    Attributes
    ----------
    n_features_in_ : int
    seed_ : int
        The seed drawn from `random_state`.
    generate_seconds_ : float
        Seconds that the last `transform` spent making R.
    """

    def __init__(
        self,
        n_components: int = 1000,
        *,
        projection: str = "dense",
        random_state: int | np.random.RandomState | None = None,
        dtype: str = "float32",
        device: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.projection = projection
        self.random_state = random_state
        self.dtype = dtype
        self.device = device

    def _check_options(self) -> None:
        if not isinstance(self.n_components, int | np.integer) or self.n_components < 1:
            raise OptionError(f"n_components is {self.n_components!r}; give a whole number of at least 1.")
        for name, value, allowed in (
            ("projection", self.projection, _PROJECTIONS),
            ("dtype", self.dtype, tuple(_DTYPES)),
        ):
            if value not in allowed:
                raise OptionError(f"{name} is {value!r}; give one of {', '.join(allowed)}.")

    def _validated(self, X: Any, *, reset: bool) -> torch.Tensor:
        if isinstance(X, torch.Tensor):
            if X.ndim != 2 or X.is_complex():
                raise OptionError(
                    f"got a {X.dtype} tensor of shape {tuple(X.shape)}; give a real (n_samples, n_features) one."
                )
            if reset:
                self.n_features_in_ = X.shape[1]
            elif X.shape[1] != self.n_features_in_:
                raise OptionError(
                    f"X has {X.shape[1]} features, but OpticalFeatures was fitted on {self.n_features_in_}."
                )
            return X
        allowed = [np.float32, np.float16, np.uint8, np.int8, np.bool_]
        X = validate_data(self, X, reset=reset, dtype=allowed, order="C")
        return torch.from_numpy(X)

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn the number of features and draw the seed; nothing is learned from the values or from y."""
        self._check_options()
        self._validated(X, reset=True)
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.generate_seconds_ = 0.0
        return self

    def transform(self, X: Any) -> NDArray[Any] | torch.Tensor:
        """φ(X), of shape (n_samples, n_components)."""
        check_is_fitted(self, "seed_")
        rows = self._validated(X, reset=False)
        features = torch.empty((len(rows), self.n_components), dtype=_DTYPES[self.dtype], device=rows.device)
        _, self.generate_seconds_ = dense_projection(
            rows,
            self.n_components,
            self.seed_,
            device=self._torch_device(rows),
            batch_size=_ROWS,
            out=features,
        )
        return features if isinstance(X, torch.Tensor) else features.numpy()

    def _torch_device(self, rows: torch.Tensor) -> torch.device:
        if self.device != "auto":
            return torch.device(self.device)
        if rows.device.type == "cpu" and torch.cuda.is_available():
            return torch.device("cuda")
        return rows.device

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components)
