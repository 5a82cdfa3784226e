"""Bit planes sent through one map and mixed."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline

from lightprobe.errors import OptionError
from lightprobe.optics import Float32Encoder, MixedBitPlanes, OpticalFeatures, float32_bits


class Doubling(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Stands in for a random projection: linear, so that the mixture can be computed by hand."""

    def fit(self, X: NDArray[np.uint8], y: object = None) -> "Doubling":
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert X.shape[1] == self.n_features_in_
        return 2 * X.astype(np.float32)


def test_bit_planes_are_projected_alike_and_mixed_with_a_decay() -> None:
    """For a linear map and all planes of a byte-like format, mixing rebuilds the weighted sum of bits."""
    X = np.array([[-2.5, 0.3], [1.0, 7.0]], dtype=np.float32)
    bits = float32_bits(X, exp_bits=3, mantissa_bits=1)
    mixed = make_pipeline(
        Float32Encoder(exp_bits=3, mantissa_bits=1), MixedBitPlanes(Doubling(), n_bits=5, decay=0.5)
    )
    expected = 2 * bits.reshape(2, 2, 5) @ 0.5 ** np.arange(5)
    np.testing.assert_allclose(mixed.fit_transform(X), expected)
    np.testing.assert_allclose(clone(mixed).fit(X).transform(X[:1]), expected[:1])
    with pytest.raises(OptionError, match="n_bits"):
        MixedBitPlanes(Doubling(), n_bits=4).fit(bits)


def test_the_published_transfer_learning_pipeline_takes_five_lines() -> None:
    """lightonml's notebook: two exponent bits, one optical map for both, mixed, and ridge behind it."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = np.maximum(rng.standard_normal((60, 30)) + 3 * y[:, None] * (np.arange(30) % 2), 0)
    pipeline = make_pipeline(
        Float32Encoder(sign_bit=False, exp_bits=2),
        MixedBitPlanes(OpticalFeatures(200, projection="dense", random_state=0), n_bits=2),
        RidgeClassifier(alpha=10.0),
    )
    assert pipeline.fit(X[:40], y[:40]).score(X[40:], y[40:]) > 0.9
    assert len(pipeline[:-1].get_feature_names_out()) == 200
