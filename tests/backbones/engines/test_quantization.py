"""Eight bits: calibrated, kept, taken along, and refused where there is no arithmetic for them."""

import logging
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines import agreement, create_runner
from lightprobe.backbones.taps import Tap
from lightprobe.backbones.zoo import create_backbone
from lightprobe.errors import BackboneError, MissingExtraError, OptionError, WeightsError

SIZE = 48
AVG, FLAT = Tap("features.5"), Tap("features.5", "flatten")
pytestmark = pytest.mark.skipif(
    "not __import__('lightprobe.backbones.engines.devices', fromlist=['devices'])"
    ".has_int8(__import__('torch').device('cpu'))",
    reason="needs a CPU with int8 arithmetic",
)


def photos(count: int, seed: int) -> Tensor:
    """Smooth pictures, as photos are: noise alone would have one and the same range everywhere."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((count, 3, 6, 6), generator=generator) * 255
    return torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 255).to(torch.uint8)


@pytest.fixture
def squeezenet() -> Backbone:
    return create_backbone("squeezenet1_1", weights="random", image_size=SIZE, cut="features.5")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def kept(models: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test of this file calibrated the next one finds: for those that are not about calibrating."""
    monkeypatch.setenv("LIGHTPROBE_CACHE", str(models))


@pytest.mark.usefixtures("kept")
def test_int8_agrees_with_fp32_at_a_quarter_of_the_weight(squeezenet: Backbone) -> None:
    runner = create_runner(squeezenet, [AVG, FLAT], precision="int8", device="cpu", calibration=photos(20, 0))
    full = create_runner(squeezenet, [AVG, FLAT], precision="fp32", device="cpu")
    assert (runner.engine, runner.precision) == ("openvino", "int8")
    assert 0.99 < agreement(runner, squeezenet, photos(8, 1)) < 0.99999
    assert 0.25 * full.weight_bytes < runner.weight_bytes < 0.27 * full.weight_bytes


@pytest.mark.usefixtures("kept")
def test_agreement_is_the_mean_cosine_of_the_tap_that_agrees_least(squeezenet: Backbone) -> None:
    runner = create_runner(squeezenet, [AVG, FLAT], precision="int8", device="cpu", calibration=photos(5, 0))
    pixels = photos(7, 1)
    truth = create_runner(squeezenet, [AVG, FLAT], engine="eager", precision="fp32", device="cpu")(pixels)
    cosines = [torch.cosine_similarity(runner(pixels)[tap], truth[tap]).mean() for tap in (AVG, FLAT)]
    assert agreement(runner, squeezenet, pixels, batch_size=3) == pytest.approx(float(min(cosines)), abs=1e-6)


@pytest.mark.usefixtures("kept")
def test_a_calibrated_network_can_be_taken_along(
    squeezenet: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = create_runner(squeezenet, [AVG, FLAT], precision="int8", device="cpu", calibration=photos(5, 0))
    monkeypatch.setenv("LIGHTPROBE_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setitem(sys.modules, "nncf", None)
    there = create_runner(squeezenet, [AVG], precision="int8", device="cpu", calibration=here.state)
    pixels = photos(3, 1)
    assert torch.equal(there(pixels)[AVG], here(pixels)[AVG])
    assert there.fingerprint == here.fingerprint
    assert not (tmp_path / "elsewhere").exists()


def test_calibrations_are_kept_and_told_apart(squeezenet: Backbone, caplog: pytest.LogCaptureFixture) -> None:
    def fingerprint(seed: int) -> str:
        return create_runner(
            squeezenet, [AVG], precision="int8", device="cpu", calibration=photos(5, seed)
        ).fingerprint

    with caplog.at_level(logging.INFO):
        first, other = fingerprint(0), fingerprint(1)
        assert first != other
        assert fingerprint(0) == first
    assert caplog.text.count("Calibrating int8 on 5 photos") == 2


def test_nothing_is_printed(squeezenet: Backbone, capfd: pytest.CaptureFixture[str]) -> None:
    create_runner(squeezenet, [AVG], precision="int8", device="cpu", calibration=photos(3, 0))
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("kept")
def test_a_damaged_state_is_refused(squeezenet: Backbone) -> None:
    state = create_runner(squeezenet, [AVG], precision="int8", device="cpu", calibration=photos(5, 0)).state
    for broken in ({}, {**state, "xml": state["xml"][:100]}):
        with pytest.raises(WeightsError, match="int8 network is damaged"):
            create_runner(squeezenet, [AVG], precision="int8", device="cpu", calibration=broken)
    with pytest.raises(WeightsError, match="int8 network is damaged"):
        create_runner(squeezenet, [Tap("features.3")], precision="int8", device="cpu", calibration=state)


def test_int8_without_photos_or_with_others_is_refused(squeezenet: Backbone) -> None:
    with pytest.raises(OptionError, match="no photos to be calibrated on"):
        create_runner(squeezenet, [AVG], precision="int8", device="cpu")
    with pytest.raises(BackboneError, match=r"takes uint8 \(n, 3, 48, 48\)"):
        create_runner(squeezenet, [AVG], precision="int8", device="cpu", calibration=torch.rand(5, 3, 48, 48))


def test_int8_without_nncf_names_the_extra(squeezenet: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lightprobe\[int8\]'"):
        create_runner(squeezenet, [AVG], precision="int8", device="cpu", calibration=photos(3, 0))


def test_int8_has_no_path_through_torch(squeezenet: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="There is no int8 path on cpu with torch"):
        create_runner(squeezenet, [AVG], engine="eager", precision="int8", device="cpu")
    monkeypatch.setattr("lightprobe.backbones.engines.devices.available_devices", lambda: ["cuda:0", "cpu"])
    with pytest.raises(OptionError, match="There is no int8 path on cuda:0"):
        create_runner(squeezenet, [AVG], precision="int8", calibration=photos(3, 0))


def test_a_cpu_without_int8_arithmetic_says_what_it_has(
    squeezenet: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightprobe.backbones.engines.openvino.has_int8", lambda device: False)
    with pytest.raises(OptionError, match=r"'int8' is unavailable on this cpu, whose arithmetic is .*fp32"):
        create_runner(squeezenet, [AVG], precision="int8", device="cpu", calibration=photos(3, 0))
