"""The pipelines that LightOn published, at a reduced size, against plain NumPy.

- lightonml, examples/api-docs/transfer_learning.ipynb: Float32Encoder(sign_bit=False, exp_bits=2), an OPU of
  315,000 components, MixingBitPlanDecoder(n_bits=2), RidgeClassifier(alpha=10).
- transfer-learning-opu, scripts/OPU_training.py with bash/multiple_blocks.sh: sign bits, an OPU of half as
  many components as features, RidgeClassifier on its counts, alpha from 1e6 to 9e8.
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from lightprobe.head import OpticalRidge
from lightprobe.optics import Camera, Float32Encoder, MixedBitPlanes, OpticalFeatures, SignEncoder
from lightprobe.optics.dense import complex_gaussian

N_TRAIN, N_FEATURES, N_COMPONENTS = 90, 120, 400
Photos = tuple[NDArray[np.float32], NDArray[np.intp]]


@pytest.fixture
def photos() -> Photos:
    """Features as a network's last ReLU leaves them, of three classes; some pass 2, where exponents turn."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    X = np.maximum(rng.standard_normal((150, N_FEATURES)) + 1.5 * rng.standard_normal((3, N_FEATURES))[y], 0)
    return X.astype(np.float32), y


def optical_map(pipeline: Pipeline, bits: NDArray[Any]) -> NDArray[np.float64]:
    """|xR|² of the pipeline's dense optics, R multiplied out in NumPy."""
    optics: Any = pipeline[1]
    fitted: OpticalFeatures = getattr(optics, "transformer_", optics)
    real, imag = complex_gaussian(bits.shape[1], 0, fitted.n_components, fitted.seed_)
    R = real.T.astype(float) + 1j * imag.T
    return np.asarray(np.abs(bits @ R) ** 2)


def ridge_by_hand(
    features: NDArray[np.float64], y: NDArray[np.intp], alpha: float, new: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores of min ‖ΦW + 1bᵀ − Y‖² + α‖W‖², from its normal equations."""
    Y = np.where(y[:, None] == np.unique(y), 1.0, -1.0)
    centre = features.mean(axis=0)
    centred = features - centre
    W = np.linalg.solve(centred.T @ centred + alpha * np.eye(features.shape[1]), centred.T @ (Y - Y.mean(0)))
    return np.asarray((new - centre) @ W + Y.mean(0))


def test_the_transfer_learning_notebook_takes_five_lines(photos: Photos) -> None:
    X, y = photos
    pipeline = make_pipeline(
        Float32Encoder(sign_bit=False, exp_bits=2),
        MixedBitPlanes(OpticalFeatures(N_COMPONENTS, projection="dense", random_state=0), n_bits=2),
        RidgeClassifier(alpha=10),
    ).fit(X[:N_TRAIN], y[:N_TRAIN])

    # one row a bit plane, all of them through the optics, then folded by powers of a half
    words = X.view(np.uint32)
    planes = np.stack([words >> 30 & 1, words >> 29 & 1], axis=1).reshape(-1, N_FEATURES)
    speckle = optical_map(pipeline, planes).reshape(len(X), 2, N_COMPONENTS)
    mixed = np.einsum("nbk,b->nk", speckle, [1, 0.5]) / np.sqrt(N_COMPONENTS)
    np.testing.assert_allclose(pipeline[:-1].transform(X), mixed, rtol=2e-4)
    expected = ridge_by_hand(mixed[:N_TRAIN], y[:N_TRAIN], 10, mixed[N_TRAIN:])
    np.testing.assert_allclose(pipeline.decision_function(X[N_TRAIN:]), expected, atol=2e-3)
    assert pipeline.score(X[N_TRAIN:], y[N_TRAIN:]) > 0.9


@pytest.mark.parametrize("alpha", [1e6, 1e7, 1e8])
def test_the_animals_script_takes_five_lines(photos: Photos, alpha: float) -> None:
    X, y = photos
    pipeline = make_pipeline(
        SignEncoder(),
        OpticalFeatures(N_FEATURES // 2, projection="dense", camera=Camera(), random_state=0),
        RidgeClassifier(alpha=alpha),
    ).fit(X[:N_TRAIN], y[:N_TRAIN])

    exposed = pipeline[1].exposure_ * optical_map(pipeline, (X > 0).astype(int))
    counts: NDArray[np.float64] = pipeline[:-1].transform(X).astype(float)
    # a count may fall to the other side where single precision meets a half
    assert np.abs(counts - np.minimum(exposed, 255)).max() < 0.51
    assert np.mean(counts != np.minimum(np.rint(exposed), 255)) < 1e-3
    expected = ridge_by_hand(counts[:N_TRAIN], y[:N_TRAIN], alpha, counts[N_TRAIN:])
    np.testing.assert_allclose(pipeline.decision_function(X[N_TRAIN:]), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("head", [OpticalRidge(kernel="linear"), LogisticRegression(max_iter=2000)])
@pytest.mark.parametrize("projection", ["structured", "dense"])
def test_the_optics_stand_before_either_head(photos: Photos, projection: str, head: BaseEstimator) -> None:
    X, y = photos
    pipeline = make_pipeline(
        Float32Encoder(sign_bit=False, exp_bits=2),
        MixedBitPlanes(OpticalFeatures(N_COMPONENTS, projection=projection, random_state=0), n_bits=2),
        StandardScaler(),
        head,
    )
    assert pipeline.fit(X[:N_TRAIN], y[:N_TRAIN]).score(X[N_TRAIN:], y[N_TRAIN:]) > 0.9


def test_leave_one_out_chooses_alpha_on_camera_counts_within_the_range_published(photos: Photos) -> None:
    """A grid scored by cross-validation picks no better alpha than the closed form does in one fit."""
    X, y = photos
    speckle = make_pipeline(SignEncoder(), OpticalFeatures(N_COMPONENTS, camera=Camera(), random_state=0))
    counts = speckle.fit(X[:N_TRAIN]).transform(X)
    ours = OpticalRidge(kernel="linear").fit(counts[:N_TRAIN], y[:N_TRAIN])
    grid = GridSearchCV(RidgeClassifier(), {"alpha": [1e6, 1e7, 1e8]}).fit(
        counts[:N_TRAIN].astype(np.float64), y[:N_TRAIN]
    )
    test = slice(N_TRAIN, None)
    assert ours.score(counts[test], y[test]) >= grid.score(counts[test].astype(np.float64), y[test]) - 0.05
