"""The same optics for every bit plane, and their mixture."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from lightprobe.errors import OptionError


class MixedBitPlanes(TransformerMixin, BaseEstimator):
    """Send each bit plane through the same map and mix the results: Σ_b decayᵇ φ(plane b).

    What lightonml's `Float32Encoder`, OPU and `MixingBitPlanDecoder` do one after the other. The planes come
    from rows as Float32Encoder lays them out, the bits of a number together, highest first.

    Parameters
    ----------
    transformer : transformer
        φ, cloned and fitted on all planes at once, n · n_bits rows: a camera's exposure must suit the
        brightest of them.
    n_bits : int
        Bits a number, as many as the encoder kept.
    decay : float, default 0.5

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from lightprobe.optics import Float32Encoder, OpticalFeatures
    >>> optical = MixedBitPlanes(OpticalFeatures(100, random_state=0), n_bits=2)
    >>> make_pipeline(Float32Encoder(sign_bit=False, exp_bits=2), optical).fit_transform([[0.5, 3.0]]).shape
    (1, 100)
    """

    def __init__(self, transformer: Any, n_bits: int, decay: float = 0.5) -> None:
        self.transformer = transformer
        self.n_bits = n_bits
        self.decay = decay

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Fit the map on the planes of all rows."""
        bits: NDArray[Any] = validate_data(self, X, dtype="numeric")
        if self.n_bits < 1 or bits.shape[1] % self.n_bits:
            raise OptionError(
                f"n_bits is {self.n_bits} and there are {bits.shape[1]} columns; give what the encoder kept."
            )
        planes = bits.reshape(len(bits), -1, self.n_bits).swapaxes(1, 2)  # (n, n_bits, m)
        self.transformer_ = clone(self.transformer).fit(planes.reshape(-1, planes.shape[2]))
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Map and mix, for X (n, m · n_bits): (n, k) floats."""
        check_is_fitted(self)
        bits: NDArray[Any] = validate_data(self, X, dtype="numeric", reset=False)
        mixed = self.transformer_.transform(bits[:, :: self.n_bits]).astype(np.float32)
        for plane in range(1, self.n_bits):
            mixed += self.decay**plane * self.transformer_.transform(bits[:, plane :: self.n_bits])
        return np.asarray(mixed)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002 - scikit-learn's signature
        """Name the features as the map does: mixing keeps their number."""
        return np.asarray(self.transformer_.get_feature_names_out())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # floats of the map's making, whatever came in
        return tags
