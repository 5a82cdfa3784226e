"""A real optical processing unit can take OpticalFeatures' place: anything with `transform` does.

lightonml's own simulated device is tried where that package is installed (1.4.3 is its last, and pins what is
older than ours: `pip install --no-deps lightonml attrs numexpr "setuptools<80"`). A look-alike with the same
interface always is.
"""

from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from lightprobe.head import OpticalRidge
from lightprobe.optics import Float32Encoder, MixedBitPlanes, SignEncoder

N_TRAIN, N_FEATURES, N_COMPONENTS = 80, 64, 300


class Device:
    """Stands for the hardware: a fixed transmission matrix, seen through an 8-bit camera."""

    def __init__(self, n_features: int) -> None:
        self.n_features, self.n_components, self.shots = n_features, 0, 0

    def transform(self, X: NDArray[np.uint8]) -> NDArray[np.uint8]:
        assert X.dtype == np.uint8
        assert X.max() <= 1, "a micromirror is on or off"
        self.shots += len(X)
        rng = np.random.default_rng(0)
        R = rng.standard_normal((2, self.n_features, self.n_components)) / np.sqrt(self.n_features)
        intensity = (X @ R[0]) ** 2 + (X @ R[1]) ** 2
        return np.asarray(np.minimum(np.rint(60 * intensity), 255), dtype=np.uint8)


class LookAlike(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """The interface of `lightonml.projections.sklearn.OPUMap`; `n_components` lives in the device."""

    def __init__(self, n_components: int, opu: Device, ndims: int = 1, packed: bool = False) -> None:
        self.opu = opu
        self.n_components = n_components
        self.ndims = ndims
        self.packed = packed

    @property
    def n_components(self) -> int:
        return self.opu.n_components

    @n_components.setter
    def n_components(self, value: int) -> None:
        self.opu.n_components = value

    def fit(self, X: NDArray[np.uint8], y: object = None) -> Self:
        self.fitted = True
        return self

    def transform(self, X: NDArray[np.uint8], y: object = None) -> NDArray[np.uint8]:
        return self.opu.transform(X)


def simulated_opu(n_components: int) -> Any:
    """lightonml's OPUMap on its simulated device, or skip the test."""
    module = pytest.importorskip(
        "lightonml.projections.sklearn",
        reason="lightonml or one of the few packages that it cannot do without is not installed",
        exc_type=ImportError,
    )
    return module.OPUMap(n_components=n_components, simulated=True, max_n_features=N_FEATURES)


@pytest.fixture(params=["look-alike", "lightonml"])
def opu(request: pytest.FixtureRequest) -> Any:
    if request.param == "look-alike":
        return LookAlike(n_components=N_COMPONENTS, opu=Device(N_FEATURES))
    return simulated_opu(N_COMPONENTS)


@pytest.fixture
def photos() -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    rng = np.random.default_rng(0)
    y = np.arange(140) % 3
    X = np.maximum(rng.standard_normal((140, N_FEATURES)) + 2 * rng.standard_normal((3, N_FEATURES))[y], 0)
    return X.astype(np.float32), y


@pytest.mark.parametrize("head", [OpticalRidge(kernel="linear"), LogisticRegression(max_iter=2000)])
def test_an_opu_stands_between_our_encoder_and_a_head(opu: Any, photos: Any, head: Any) -> None:
    X, y = photos
    pipeline = make_pipeline(SignEncoder(), opu, clone(head))
    pipeline.fit(X[:N_TRAIN], y[:N_TRAIN])
    assert pipeline.score(X[N_TRAIN:], y[N_TRAIN:]) > 0.9


def test_a_head_on_speckle_of_bytes_equals_ridge_written_out(photos: Any) -> None:
    X, y = photos
    opu = LookAlike(n_components=N_COMPONENTS, opu=Device(N_FEATURES))
    pipeline = make_pipeline(SignEncoder(), opu, OpticalRidge(kernel="linear", alpha=0.1))
    pipeline.fit(X[:N_TRAIN], y[:N_TRAIN])
    assert opu.opu.shots == N_TRAIN  # the light is used once a photo, the choice of alpha included
    speckle = Device.transform(opu.opu, (X > 0).astype(np.uint8)).astype(float)
    train, Y = speckle[:N_TRAIN], np.where(y[:N_TRAIN, None] == np.arange(3), 1.0, -1.0)
    centred = train - train.mean(axis=0)
    K = centred @ centred.T
    dual = np.linalg.solve(K + 0.1 * np.trace(K) / N_TRAIN * np.eye(N_TRAIN), Y - Y.mean(axis=0))
    expected = (speckle[N_TRAIN:] - train.mean(axis=0)) @ centred.T @ dual + Y.mean(axis=0)
    np.testing.assert_allclose(pipeline.decision_function(X[N_TRAIN:]), expected, rtol=1e-7, atol=1e-9)


def test_an_opu_takes_bit_planes_one_after_the_other(opu: Any, photos: Any) -> None:
    X, _ = photos
    bits = Float32Encoder(sign_bit=False, exp_bits=2).fit_transform(X)
    mixed = MixedBitPlanes(opu, n_bits=2).fit_transform(bits)
    planes = [opu.fit(bits[:, i::2]).transform(bits[:, i::2]).astype(float) for i in range(2)]
    np.testing.assert_allclose(mixed, planes[0] + planes[1] / 2, rtol=1e-6)


def test_lightonmls_simulated_device_has_the_kernel_that_ours_has(photos: Any) -> None:
    """E|xR|²|yR|² = |x|²|y|² + (x·y)², with their E|r|² = 2/m."""
    bits = SignEncoder().fit_transform(photos[0][:20]).astype(float)
    opu = simulated_opu(20_000)
    speckle = opu.fit(bits.astype(np.uint8)).transform(bits.astype(np.uint8)).astype(float)
    kernel = speckle @ speckle.T / 20_000 * (N_FEATURES / 2) ** 2
    norms = bits.sum(axis=1)
    exact = np.outer(norms, norms) + (bits @ bits.T) ** 2
    assert np.linalg.norm(kernel - exact) / np.linalg.norm(exact) < 0.03
