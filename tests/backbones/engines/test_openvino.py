"""The OpenVINO engine against torch, its cache, and what it refuses."""

import logging
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines import BREAK_EVEN, create_runner, devices
from lightprobe.backbones.taps import Tap
from lightprobe.backbones.zoo import create_backbone
from lightprobe.errors import BackboneError, OptionError

MakePair = Callable[[str, int], tuple[Backbone, nn.Module]]
MakeLight = Callable[[str, int, str], Backbone]
SIZE = 48
AVG, FLAT, EARLY = Tap("features.5"), Tap("features.5", "flatten"), Tap("features.3")


@pytest.fixture
def pixels() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)


@pytest.fixture
def squeezenet() -> Backbone:
    return create_backbone("squeezenet1_1", weights="random", image_size=SIZE, cut="features.5")


@pytest.fixture(scope="module")
def conversions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conversions")


@pytest.fixture
def kept(conversions: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test of this file converted the next one finds: for those that are not about converting."""
    monkeypatch.setenv("LIGHTPROBE_CACHE", str(conversions))


@pytest.fixture
def no_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(backbone: Backbone, taps: object) -> None:
        raise BackboneError(f"OpenVINO cannot take {backbone.name} (a test): use --engine eager.")

    monkeypatch.setattr("lightprobe.backbones.engines.openvino.convert", refuse)


@pytest.mark.parametrize(
    ("name", "cut"), [("resnet18", "layer2"), ("vit_b_32", "encoder.layers.encoder_layer_0")]
)
def test_features_are_those_of_torch(
    make_pair: MakePair, make_light: MakeLight, pixels: Tensor, name: str, cut: str
) -> None:
    if name == "vit_b_32":
        backbone = make_light(name, 64, cut)
        pixels = pixels.repeat(1, 1, 2, 2)[:, :, :64, :64]
    else:
        backbone = make_pair(name, SIZE)[0].at(cut)
    taps = [Tap(cut, "flatten"), Tap(cut)]
    ours = create_runner(backbone, taps, engine="openvino", precision="fp32")(pixels)
    truth = create_runner(backbone, taps, engine="eager", precision="fp32", device="cpu")(pixels)
    assert list(ours) == taps
    for tap in taps:
        assert ours[tap].dtype == torch.float32
        torch.testing.assert_close(ours[tap], truth[tap], rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("kept")
def test_several_layers_in_one_pass_at_any_batch_size(squeezenet: Backbone, pixels: Tensor) -> None:
    runner = create_runner(squeezenet, [FLAT, EARLY, AVG, EARLY], engine="openvino", precision="fp32")
    assert runner.taps == (FLAT, EARLY, AVG)
    truth = create_runner(squeezenet, runner.taps, engine="eager", precision="fp32", device="cpu")(pixels)
    first = runner(pixels)
    for features in (first, runner(pixels.flip(0)), runner(pixels[:1])):  # what was given stays as it was
        assert features.keys() == truth.keys()
    for tap in runner.taps:
        torch.testing.assert_close(first[tap], truth[tap], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(runner(pixels[:2])[tap], truth[tap][:2], rtol=1e-4, atol=1e-5)


def test_the_first_run_and_the_second_give_the_same_bits(squeezenet: Backbone, pixels: Tensor) -> None:
    first, second = (create_runner(squeezenet, [AVG], engine="openvino")(pixels)[AVG] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.usefixtures("own_cache")
def test_a_network_is_converted_once_for_all_its_poolings(
    squeezenet: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_runner(squeezenet, [AVG, FLAT], engine="openvino", precision="fp32")
    calls = []
    monkeypatch.setattr("lightprobe.backbones.engines.openvino.convert", lambda *_: calls.append(1))
    create_runner(squeezenet, [FLAT], engine="openvino", precision="fp32")
    assert create_runner(squeezenet, [AVG], n_images=1, device="cpu").engine == "openvino"
    assert not calls


@pytest.mark.usefixtures("kept")
def test_other_weights_are_converted_anew(squeezenet: Backbone, pixels: Tensor) -> None:
    other = create_backbone(
        "squeezenet1_1", weights="random", image_size=SIZE, cut="features.5", random_state=1
    )
    ours, theirs = (create_runner(b, [AVG], engine="openvino")(pixels)[AVG] for b in (squeezenet, other))
    assert not torch.allclose(ours, theirs, rtol=1e-2)


def test_a_damaged_conversion_is_made_again(
    squeezenet: Backbone, pixels: Tensor, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = create_runner(squeezenet, [AVG], engine="openvino")(pixels)[AVG]
    (path,) = own_cache.rglob("model.xml")
    path.write_text("<net")
    with caplog.at_level(logging.WARNING):
        assert torch.equal(create_runner(squeezenet, [AVG], engine="openvino")(pixels)[AVG], before)
    assert "is damaged" in caplog.text


def test_a_cache_that_cannot_be_written_is_only_a_warning(
    squeezenet: Backbone, pixels: Tensor, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_cache.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert create_runner(squeezenet, [AVG], engine="openvino")(pixels)[AVG].shape == (5, 128)
    assert "cannot be kept" in caplog.text


def test_auto_converts_only_where_there_is_work(squeezenet: Backbone, no_conversion: None) -> None:
    for few in (None, 1, BREAK_EVEN - 1):
        assert create_runner(squeezenet, [AVG], device="cpu", n_images=few).engine == "eager"


def test_a_network_that_is_refused_runs_in_torch_and_that_is_said_once(
    squeezenet: Backbone, pixels: Tensor, no_conversion: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        runner = create_runner(squeezenet, [AVG], device="cpu", n_images=BREAK_EVEN)
        runner(pixels)
        runner(pixels)
    assert runner.engine == "eager"
    assert caplog.text.count("OpenVINO cannot take squeezenet1_1") == 1
    with pytest.raises(BackboneError, match="use --engine eager"):
        create_runner(squeezenet, [AVG], engine="openvino")


def test_a_network_that_torch_cannot_export_is_refused_in_one_sentence(
    squeezenet: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: nn.Module, image: Tensor) -> Tensor:
        return image.repeat(1, int(image.sum().item()), 1, 1)

    monkeypatch.setattr("torchvision.models.squeezenet.Fire.forward", forward)
    with pytest.raises(
        BackboneError, match=r"^OpenVINO cannot take squeezenet1_1 \([^\n]+\): use --engine eager.$"
    ):
        create_runner(squeezenet, [AVG], engine="openvino")


@pytest.mark.usefixtures("kept")
def test_a_runner_says_what_it_is_and_weighs(squeezenet: Backbone) -> None:
    full = create_runner(squeezenet, [AVG], engine="openvino", precision="fp32")
    assert (full.engine, full.precision, full.device) == ("openvino", "fp32", torch.device("cpu"))
    state = sum(tensor.numel() for tensor in squeezenet.state.values())
    assert 4 * state == pytest.approx(full.weight_bytes, rel=0.02)  # biases that are all zeros are kept once
    eager = create_runner(squeezenet, [AVG], engine="eager", precision="fp32", device="cpu")
    assert full.fingerprint != eager.fingerprint


@pytest.mark.skipif("bf16" not in devices.available_precisions(torch.device("cpu")), reason="needs bf16")
def test_bf16_agrees_with_fp32_and_weighs_half(make_pair: MakePair, pixels: Tensor) -> None:
    backbone = make_pair("resnet18", SIZE)[0].at("layer2")
    tap = Tap("layer2", "flatten")
    half, full = (create_runner(backbone, [tap], engine="openvino", precision=p) for p in ("bf16", "fp32"))
    cosine = torch.cosine_similarity(half(pixels)[tap], full(pixels)[tap]).mean()
    assert 0.999 < cosine < 1 - 1e-9
    assert half.fingerprint != full.fingerprint
    assert half.weight_bytes < 0.51 * full.weight_bytes


def test_wishes_that_cannot_be_met_are_refused(squeezenet: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda:0", "cpu"])
    with pytest.raises(OptionError, match="runs on the CPU and not on cuda"):
        create_runner(squeezenet, [AVG], engine="openvino", device="cuda")
    with pytest.raises(OptionError, match="no taps"):
        create_runner(squeezenet, [], engine="openvino")
    with pytest.raises(BackboneError, match=r"no cut 'features\.99'"):
        create_runner(squeezenet, [Tap("features.99")], engine="openvino")


def test_nothing_calls_out(tmp_path: Path) -> None:
    script = """
        import socket

        calls = []
        socket.getaddrinfo = lambda *args, **kwargs: calls.append(args) or []
        socket.socket.connect = lambda self, address: calls.append(address)

        import torch
        from lightprobe.backbones import Tap, create_backbone, create_runner
        from lightprobe.backbones.engines.devices import has_int8

        backbone = create_backbone("squeezenet1_1", weights="random", image_size=32, cut="features.3")
        pixels = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
        create_runner(backbone, [Tap("features.3")], engine="openvino")(pixels)
        if has_int8(torch.device("cpu")):
            create_runner(backbone, [Tap("features.3")], precision="int8", device="cpu", calibration=pixels)

        import sys, threading
        for thread in threading.enumerate():
            if thread is not threading.main_thread():
                thread.join(5)
        sys.exit(f"called out: {calls}" if calls else 0)
    """
    # A home of its own, in which nobody has opted out; and no CI, where the telemetry keeps quiet.
    environment = {"HOME": str(tmp_path), "LIGHTPROBE_CACHE": str(tmp_path / "cache"), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()
