"""Bit planes sent through one map and mixed."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from lightprobe.errors import OptionError
from lightprobe.optics import Camera, Float32Encoder, MixedBitPlanes, OpticalFeatures, float32_bits


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


def test_a_cameras_exposure_suits_the_brightest_plane() -> None:
    """The first plane of small numbers is dark: an exposure set by it would clip every other plane."""
    X = np.full((20, 300), 0.5, dtype=np.float32)
    X[:, 0] = 2.0  # the one number whose highest exponent bit is set
    camera = OpticalFeatures(200, camera=Camera(), random_state=0)
    bits = float32_bits(X, sign_bit=False, exp_bits=2)
    fitted = MixedBitPlanes(camera, n_bits=2).fit(bits).transformer_
    assert (fitted.transform(bits[:, 1::2]) < 255).mean() > 0.95


def test_mixing_passes_scikit_learns_estimator_checks() -> None:
    check_estimator(MixedBitPlanes(OpticalFeatures(5, random_state=0), n_bits=1), on_skip=None)


def test_mixed_features_are_named_as_the_maps_are() -> None:
    mixed = MixedBitPlanes(OpticalFeatures(2, random_state=0), n_bits=2).fit(np.eye(4, dtype=np.uint8))
    assert mixed.get_feature_names_out().tolist() == ["opticalfeatures0", "opticalfeatures1"]
