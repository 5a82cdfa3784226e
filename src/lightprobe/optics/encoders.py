"""The encodings to bits as scikit-learn transformers."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from lightprobe.optics.encode import float32_bits, kept_bits, sign_bits


class _Encoder(TransformerMixin, BaseEstimator):
    """What the encoders share: they learn nothing but the number of features."""

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Check the parameters and remember the number of features."""
        rows: NDArray[Any] = validate_data(self, X, dtype="numeric")
        self._encode(rows[:1])
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Encode the rows of X (n, m); uint8, 0 or 1."""
        check_is_fitted(self)
        return self._encode(validate_data(self, X, dtype="numeric", reset=False))

    def _encode(self, X: NDArray[Any]) -> NDArray[np.uint8]:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # bits, whatever came in
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")


class SignEncoder(_Encoder):
    """b = 1[x > threshold], one bit a feature.

    Parameters
    ----------
    threshold : float, default 0.0

    Examples
    --------
    >>> SignEncoder().fit_transform([[-1.0, 0.0, 2.5]])
    array([[0, 0, 1]], dtype=uint8)
    """

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = threshold

    def _encode(self, X: NDArray[Any]) -> NDArray[np.uint8]:
        return sign_bits(X, self.threshold)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the bits after their features."""
        return _feature_names(self, input_features)


class Float32Encoder(_Encoder):
    """Chosen bits of the single-precision format, `n_bits_` of them a feature, side by side.

    Parameters
    ----------
    sign_bit : bool, default True
        Keep the sign, 1 for negative numbers.
    exp_bits : int, default 8
        Bits of the exponent to keep, of 8, highest first.
    mantissa_bits : int, default 0
        Bits of the mantissa to keep, of 23, highest first.

    Examples
    --------
    >>> Float32Encoder(exp_bits=2).fit_transform([[-1.0, 2.5]])
    array([[1, 0, 1, 0, 1, 0]], dtype=uint8)
    """

    def __init__(self, sign_bit: bool = True, exp_bits: int = 8, mantissa_bits: int = 0) -> None:
        self.sign_bit = sign_bit
        self.exp_bits = exp_bits
        self.mantissa_bits = mantissa_bits

    def _encode(self, X: NDArray[Any]) -> NDArray[np.uint8]:
        return float32_bits(
            X, sign_bit=self.sign_bit, exp_bits=self.exp_bits, mantissa_bits=self.mantissa_bits
        )

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name the bits: feature, underscore, position in the format (0 the sign, 1 to 8 the exponent)."""
        positions = kept_bits(self.sign_bit, self.exp_bits, self.mantissa_bits)
        names = _feature_names(self, input_features)
        return np.array([f"{name}_{bit}" for name in names for bit in positions], dtype=object)


def _feature_names(encoder: _Encoder, input_features: Any) -> NDArray[np.object_]:
    # private in scikit-learn, but public API's only way to its checks of given names
    from sklearn.utils.validation import _check_feature_names_in

    names: NDArray[np.object_] = _check_feature_names_in(encoder, input_features)
    return names
