"""Eight-bit speckle: exposure, saturation, and what a camera must not change."""

from typing import Any

import numpy as np
import pytest

from lightprobe.errors import DataError, OptionError
from lightprobe.optics.camera import Camera, SaturationWarning
from lightprobe.optics.project import OpticalFeatures

BITS = (np.random.default_rng(0).random((300, 500)) < 0.3).astype(np.uint8)


@pytest.mark.parametrize("projection", ["structured", "dense"])
@pytest.mark.parametrize("depth", [8, 3])
def test_counts_are_rounded_clipped_intensities(projection: str, depth: int) -> None:
    options: dict[str, Any] = {"n_components": 200, "projection": projection, "random_state": 0}
    camera = OpticalFeatures(camera=Camera(bits=depth), **options).fit(BITS)
    counts = camera.transform(BITS)
    intensities = OpticalFeatures(**options).fit_transform(BITS).astype(np.float64) * 200**0.5
    expected = np.minimum(np.rint(intensities * camera.exposure_), 2**depth - 1)
    assert counts.dtype == np.uint8
    difference = np.abs(counts - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3  # an intensity just at a half


@pytest.mark.parametrize("projection", ["structured", "dense"])
def test_automatic_exposure_leaves_the_asked_share_unsaturated(projection: str) -> None:
    camera = Camera(quantile=0.99, max_saturated=0.02)
    features = OpticalFeatures(1000, projection=projection, camera=camera, random_state=0)
    counts = features.fit_transform(BITS)
    assert 0.007 < (counts == 255).mean() < 0.013
    # speckle is exponential, so its 99 % quantile is ln 100 times the mean
    assert features.exposure_ == pytest.approx(255 / (np.log(100) * BITS.sum(1).mean()), rel=0.06)


def test_saturation_is_counted_and_warned_of() -> None:
    features = OpticalFeatures(100, camera=Camera(), random_state=0).fit(BITS)
    with pytest.warns(SaturationWarning, match=r"of 30,000 pixels .* smaller exposure"):
        counts = features.transform(2.0 * BITS)
    assert counts.max() == 255


@pytest.mark.parametrize("bits", range(1, 9))
def test_no_camera_warns_of_the_rows_that_set_its_exposure(bits: int) -> None:
    features = OpticalFeatures(500, camera=Camera(bits=bits), random_state=0).fit(BITS)
    assert 0 < (features.transform(BITS) == 2**bits - 1).mean() < 0.05  # warnings are errors here
    with pytest.warns(SaturationWarning):
        features.transform(3.0 * BITS)


def test_a_given_exposure_is_kept_and_the_kernel_survives_the_camera() -> None:
    features = OpticalFeatures(60_000, camera=Camera(exposure=0.25), random_state=0).fit(BITS)
    assert features.exposure_ == 0.25
    counts = features.transform(BITS[:20]).astype(np.float64)
    X = BITS[:20].astype(np.float64)
    norms = X.sum(1)
    exact = np.outer(norms, norms) + (X @ X.T) ** 2
    np.testing.assert_allclose(counts @ counts.T / (0.25**2 * 60_000), exact, rtol=0.05)


def test_no_light_is_an_error() -> None:
    with pytest.raises(DataError, match="all zero"):
        OpticalFeatures(10, camera=Camera()).fit(np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 9}, "9 bits"),
        ({"exposure": 0.0}, "exposure is 0.0"),
        ({"exposure": "long"}, "exposure is 'long'"),
        ({"quantile": 1.5}, "quantile is 1.5"),
        ({"max_saturated": -1.0}, "max_saturated is -1.0"),
    ],
)
def test_a_camera_that_cannot_be_built_says_why(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Camera(**options)


def test_the_exposure_of_known_intensities_is_their_quantile() -> None:
    assert Camera(quantile=0.9).exposure_for(np.arange(1.0, 101.0)) == pytest.approx(255 / 90)
