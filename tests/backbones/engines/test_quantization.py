"""Eight bits: calibrated, kept, taken along, and refused where there is no arithmetic for them."""

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import r2_score

from lightprobe import devices
from lightprobe.backbones import DEFAULT, Backbone, Tap, agreement, create_backbone, create_runner
from lightprobe.backbones.resizing import resize
from lightprobe.errors import BackboneError, MissingExtraError, OptionError, WeightsError

SIZE = 48
AVG, FLAT = Tap("block3"), Tap("block3", "flatten")
pytestmark = pytest.mark.usefixtures("int8")


def photos(count: int, seed: int) -> NDArray[np.uint8]:
    """Smooth pictures, as photos are: noise alone would have one and the same range everywhere."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3), np.uint8)
    return np.stack([resize(picture, (SIZE, SIZE), "bicubic") for picture in coarse])


@pytest.fixture
def toy() -> Backbone:
    return create_backbone(DEFAULT, image_size=SIZE)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def kept(models: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test of this file calibrated the next one finds: for those that are not about calibrating."""
    monkeypatch.setenv("LIGHTPROBE_CACHE", str(models))


@pytest.mark.usefixtures("kept")
def test_int8_agrees_with_fp32_at_a_quarter_of_the_weight(toy: Backbone) -> None:
    runner = create_runner(toy, [AVG, FLAT], precision="int8", device="cpu", calibration=photos(20, 0))
    full = create_runner(toy, [AVG, FLAT], precision="fp32", device="cpu")
    assert (runner.engine, runner.precision) == ("openvino", "int8")
    assert 0.99 < agreement(runner, toy, photos(8, 1)) < 0.99999
    assert 0.25 * full.weight_bytes < runner.weight_bytes < 0.27 * full.weight_bytes


@pytest.mark.usefixtures("kept")
def test_agreement_is_scikit_learns_r2_of_the_tap_that_agrees_least(toy: Backbone) -> None:
    runner = create_runner(toy, [AVG, FLAT], precision="int8", device="cpu", calibration=photos(5, 0))
    pixels = photos(7, 1)
    truth = create_runner(toy, [AVG, FLAT], precision="fp32")(pixels)
    ours = runner(pixels)
    scores = [r2_score(truth[tap], ours[tap], multioutput="variance_weighted") for tap in (AVG, FLAT)]
    assert agreement(runner, toy, pixels, batch_size=3) == pytest.approx(min(scores), abs=1e-5)


@pytest.mark.usefixtures("kept")
def test_a_calibrated_network_can_be_taken_along(
    toy: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = create_runner(toy, [AVG, FLAT], precision="int8", device="cpu", calibration=photos(5, 0))
    monkeypatch.setenv("LIGHTPROBE_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setitem(sys.modules, "nncf", None)
    there = create_runner(toy, [AVG], precision="int8", device="cpu", calibration=here.state)
    pixels = photos(3, 1)
    np.testing.assert_array_equal(there(pixels)[AVG], here(pixels)[AVG])
    assert there.fingerprint == here.fingerprint
    assert not (tmp_path / "elsewhere").exists()


def test_calibrations_are_kept_and_told_apart(toy: Backbone, caplog: pytest.LogCaptureFixture) -> None:
    def fingerprint(seed: int) -> str:
        return create_runner(
            toy, [AVG], precision="int8", device="cpu", calibration=photos(5, seed)
        ).fingerprint

    with caplog.at_level(logging.INFO):
        first, other = fingerprint(0), fingerprint(1)
        assert first != other
        assert fingerprint(0) == first
    assert caplog.text.count("Calibrating int8 on 5 photos") == 2


def test_nothing_is_printed(toy: Backbone, capfd: pytest.CaptureFixture[str]) -> None:
    create_runner(toy, [AVG], precision="int8", device="cpu", calibration=photos(3, 0))
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("kept")
def test_a_damaged_state_is_refused(toy: Backbone) -> None:
    state = create_runner(toy, [AVG], precision="int8", device="cpu", calibration=photos(5, 0)).state
    for broken in ({}, {**state, "xml": state["xml"][:100]}):
        with pytest.raises(WeightsError, match="int8 network is damaged"):
            create_runner(toy, [AVG], precision="int8", device="cpu", calibration=broken)
    with pytest.raises(WeightsError, match="int8 network is damaged"):
        create_runner(toy, [Tap("block2")], precision="int8", device="cpu", calibration=state)


def test_int8_without_photos_or_with_others_is_refused(toy: Backbone) -> None:
    with pytest.raises(OptionError, match="no photos to be calibrated on"):
        create_runner(toy, [AVG], precision="int8", device="cpu")
    with pytest.raises(BackboneError, match=r"takes uint8 \(n, 48, 48, 3\)"):
        others: Any = np.zeros((5, SIZE, SIZE, 3), np.float32)
        create_runner(toy, [AVG], precision="int8", device="cpu", calibration=others)


def test_int8_without_nncf_names_the_extra(toy: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lightprobe\[int8\]'"):
        create_runner(toy, [AVG], precision="int8", device="cpu", calibration=photos(3, 0))


def test_int8_has_no_path_through_torch(toy: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="There is no int8 path on cpu with torch"):
        create_runner(toy, [AVG], engine="eager", precision="int8", device="cpu")
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda:0", "cpu"])
    with pytest.raises(OptionError, match="There is no int8 path on cuda:0"):
        create_runner(toy, [AVG], precision="int8", device="cuda:0", calibration=photos(3, 0))


def test_a_cpu_without_int8_arithmetic_says_what_it_has(
    toy: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightprobe.backbones.engines.openvino.has_int8", lambda device: False)
    with pytest.raises(OptionError, match=r"'int8' is unavailable on this cpu, whose arithmetic is .*fp32"):
        create_runner(toy, [AVG], precision="int8", device="cpu", calibration=photos(3, 0))
