"""The OpenVINO engine against arithmetic by hand and against torch, its cache, and what it refuses."""

import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import numpy_helper
from tests.toy_network import LAYERS

from lightprobe import devices
from lightprobe.backbones import (
    DEFAULT,
    Backbone,
    Tap,
    create_backbone,
    create_runner,
)
from lightprobe.backbones.engines import BREAK_EVEN, needs_torch
from lightprobe.backbones.engines.precisions import available_precisions
from lightprobe.errors import BackboneError, OptionError

if TYPE_CHECKING:
    from torch import nn

    from lightprobe.backbones import TorchBackbone

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
MakePair = Callable[[str, int], "tuple[TorchBackbone, nn.Module]"]
MakeLight = Callable[[str, int, str], "TorchBackbone"]
SIZE = 48
AVG, FLAT, EARLY = Tap("block3"), Tap("block3", "flatten"), Tap("block1")
SQUEEZED, SQUEEZED_FLAT = Tap("features.5"), Tap("features.5", "flatten")


@pytest.fixture
def pixels() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)


@pytest.fixture
def toy() -> Backbone:
    return create_backbone(DEFAULT, image_size=SIZE)


@pytest.fixture
def squeezenet() -> "TorchBackbone":
    from lightprobe.backbones.torch_networks import create_network

    return create_network("squeezenet1_1", weights="random", image_size=SIZE, cut="features.5")


@pytest.fixture
def no_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(network: object, cuts: object, side: int, name: str, metadata: object) -> None:
        raise BackboneError(f"{name} cannot be converted to a graph (a test): use `engine='eager'`.")

    monkeypatch.setattr("lightprobe.backbones.torch_networks.torch_backbone.to_onnx", refuse)


def toy_maps(path: Path, pixels: Pixels) -> dict[str, Floats]:
    """Outputs (n, channels, side, side) of the toy network's layers, from its weights in doubles."""
    stored = onnx.load(path).graph.initializer
    weights = {tensor.name: numpy_helper.to_array(tensor).astype(float) for tensor in stored}
    images = ((pixels / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2)
    maps = {}
    for layer in LAYERS:
        windows = sliding_window_view(np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))
        products = np.einsum("ncijhw,kchw->nkij", windows[:, :, ::2, ::2], weights[f"{layer}.weight"])
        images = np.maximum(products + weights[f"{layer}.bias"][:, None, None], 0)
        maps[layer] = images
    return maps


def test_several_layers_in_one_pass_at_any_batch_size_are_those_computed_by_hand(
    toy: Backbone, toy_networks: Path, pixels: Pixels
) -> None:
    maps = toy_maps(toy_networks / f"{DEFAULT}.onnx", pixels)
    truth = {
        FLAT: maps["block3"].reshape(5, -1),
        EARLY: maps["block1"].mean((2, 3)),
        AVG: maps["block3"].mean((2, 3)),
    }
    runner = create_runner(toy, [FLAT, EARLY, AVG, EARLY], engine="openvino", precision="fp32")
    assert runner.taps == (FLAT, EARLY, AVG)
    first = runner(pixels)
    for features in (first, runner(pixels[::-1]), runner(pixels[:1])):  # what was given stays as it was
        assert features.keys() == truth.keys()
    for tap in runner.taps:
        assert first[tap].dtype == np.float32
        np.testing.assert_allclose(first[tap], truth[tap], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(runner(pixels[:2])[tap], truth[tap][:2], rtol=1e-4, atol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "cut"), [("resnet18", "layer2"), ("vit_b_32", "encoder.layers.encoder_layer_0")]
)
def test_features_are_those_of_torch(
    make_pair: MakePair, make_light: MakeLight, pixels: Pixels, name: str, cut: str
) -> None:
    if name == "vit_b_32":
        backbone = make_light(name, 64, cut)
        pixels = np.tile(pixels, (1, 2, 2, 1))[:, :64, :64]
    else:
        backbone = make_pair(name, SIZE)[0].at(cut)
    taps = [Tap(cut, "flatten"), Tap(cut)]
    ours = create_runner(backbone, taps, engine="openvino", precision="fp32")(pixels)
    truth = create_runner(backbone, taps, engine="eager", precision="fp32", device="cpu")(pixels)
    assert list(ours) == taps
    for tap in taps:
        assert ours[tap].dtype == np.float32
        np.testing.assert_allclose(ours[tap], truth[tap], rtol=1e-4, atol=1e-4)


def test_the_first_run_and_the_second_give_the_same_bits(toy: Backbone, pixels: Pixels) -> None:
    first, second = (create_runner(toy, [AVG])(pixels)[AVG] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.torch
def test_a_network_is_converted_once_for_all_its_poolings(
    squeezenet: "TorchBackbone", monkeypatch: pytest.MonkeyPatch
) -> None:
    create_runner(squeezenet, [SQUEEZED, SQUEEZED_FLAT], engine="openvino", precision="fp32")
    monkeypatch.setattr(type(squeezenet), "as_graph", lambda _: pytest.fail("it was converted again"))
    create_runner(squeezenet, [SQUEEZED_FLAT], engine="openvino", precision="fp32")
    runner = create_runner(squeezenet, [SQUEEZED], n_images=BREAK_EVEN, device="cpu")
    assert runner.engine == "openvino"


@pytest.mark.torch
def test_other_weights_are_converted_anew(pixels: Pixels) -> None:
    ours, theirs = (
        create_backbone("squeezenet1_1", weights="random", image_size=SIZE, cut="features.5", random_state=s)
        for s in (0, 1)
    )
    first, other = (create_runner(backbone, [SQUEEZED])(pixels)[SQUEEZED] for backbone in (ours, theirs))
    assert not np.allclose(first, other, rtol=1e-2)


@pytest.mark.torch
def test_a_damaged_conversion_is_made_again(
    squeezenet: "TorchBackbone", pixels: Pixels, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = create_runner(squeezenet, [SQUEEZED], engine="openvino")(pixels)[SQUEEZED]
    (path,) = own_cache.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-7])
    with caplog.at_level(logging.WARNING):
        again = create_runner(squeezenet, [SQUEEZED], engine="openvino")(pixels)[SQUEEZED]
    np.testing.assert_array_equal(again, before)
    assert "is damaged" in caplog.text


@pytest.mark.torch
def test_a_cache_that_cannot_be_written_is_only_a_warning(
    squeezenet: "TorchBackbone", pixels: Pixels, own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_cache.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        features = create_runner(squeezenet, [SQUEEZED], engine="openvino")(pixels)[SQUEEZED]
    assert features.shape == (5, 128)
    assert "cannot be kept" in caplog.text


@pytest.mark.torch
def test_auto_converts_only_where_there_is_work(squeezenet: "TorchBackbone", no_conversion: None) -> None:
    for few in (None, 1, BREAK_EVEN - 1):
        assert create_runner(squeezenet, [SQUEEZED], device="cpu", n_images=few).engine == "eager"


@pytest.mark.torch
def test_a_network_that_is_refused_runs_in_torch_and_that_is_said_once(
    squeezenet: "TorchBackbone", no_conversion: None, caplog: pytest.LogCaptureFixture
) -> None:
    made = create_backbone("squeezenet1_1", weights="random", image_size=SIZE, cut="features.5")
    for backbone in (squeezenet, made, made.at("features.4")):
        tap = Tap(backbone.cut)
        runner = create_runner(backbone, [tap], device="cpu", n_images=BREAK_EVEN)
        assert runner.engine == "eager"
        with pytest.raises(BackboneError, match="use `engine='eager'`"):
            create_runner(backbone, [tap], engine="openvino")
    said = (
        "squeezenet1_1 cannot be converted to a graph (a test): use `engine='eager'`. Torch runs it instead"
    )
    assert caplog.text.count(said) == 2, "once when it is run, and once when it is made"


@pytest.mark.torch
def test_a_network_that_torch_cannot_export_is_refused_in_one_sentence(
    squeezenet: "TorchBackbone", monkeypatch: pytest.MonkeyPatch
) -> None:
    early = squeezenet.at("features.3")
    early.describe()  # which runs it without data, and what follows looks at the data

    def forward(self: object, image: Any) -> Any:
        raise NotImplementedError("a step that no exporter knows")

    monkeypatch.setattr("torchvision.models.squeezenet.Fire.forward", forward)
    with pytest.raises(
        BackboneError,
        match=r"^squeezenet1_1 cannot be converted to a graph \([^\n]+\): use `engine='eager'`.$",
    ):
        create_runner(early, [Tap("features.3")], engine="openvino")


@pytest.mark.torch
def test_a_graph_that_gives_other_numbers_than_torch_is_no_conversion(
    squeezenet: "TorchBackbone", monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightprobe.backbones.torch_networks import conversion

    def forgetful(network: "nn.Module", example: Any) -> bytes:
        model = onnx.load_model_from_string(traced(network, example))
        (bias,) = (t for t in model.graph.initializer if t.name.endswith("features.3.squeeze.bias"))
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, bias.name))
        content: bytes = model.SerializeToString()
        return content

    traced = conversion._traced
    monkeypatch.setattr(conversion, "_traced", forgetful)
    monkeypatch.setattr(conversion, "_exported", forgetful)
    with pytest.raises(BackboneError, match=r"agree with torch's by a cosine of 0\.\d+ only"):
        squeezenet.as_graph()


@pytest.mark.torch
def test_what_tracing_cannot_take_torch_export_may(
    squeezenet: "TorchBackbone", pixels: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightprobe.backbones.torch_networks import conversion

    def fail(network: "nn.Module", example: Any) -> bytes:
        raise RuntimeError("a test")

    monkeypatch.setattr(conversion, "_traced", fail)
    early = squeezenet.at("features.3")
    tap = Tap("features.3", "flatten")
    ours = create_runner(early.as_graph(), [tap], precision="fp32")(pixels)[tap]
    truth = create_runner(early, [tap], engine="eager", precision="fp32", device="cpu")(pixels)[tap]
    np.testing.assert_allclose(ours, truth, rtol=1e-4, atol=1e-4)


def test_a_runner_says_what_it_is_and_weighs(toy: Backbone) -> None:
    full = create_runner(toy, [AVG], precision="fp32")
    assert (full.engine, full.precision, full.device) == ("openvino", "fp32", "cpu")
    weights = sum(9 * n_in * n_out + n_out for n_in, n_out in ((3, 8), (8, 16), (16, 24)))
    assert full.weight_bytes == pytest.approx(4 * weights, rel=0.02)
    early = create_runner(toy, [EARLY], precision="fp32")
    assert early.weight_bytes < full.weight_bytes / 10, "what lies behind the tap is not held"


@pytest.mark.torch
def test_engines_are_told_apart_by_their_fingerprints(squeezenet: "TorchBackbone") -> None:
    ours, theirs = (
        create_runner(squeezenet, [SQUEEZED], engine=engine, precision="fp32", device="cpu")
        for engine in ("openvino", "eager")
    )
    assert ours.fingerprint != theirs.fingerprint


@pytest.mark.skipif("bf16" not in available_precisions("cpu"), reason="needs bf16")
def test_bf16_agrees_with_fp32_and_weighs_half(toy: Backbone, pixels: Pixels) -> None:
    half, full = (create_runner(toy, [FLAT], engine="openvino", precision=p) for p in ("bf16", "fp32"))
    x, y = (runner(pixels)[FLAT].astype(float) for runner in (half, full))
    cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    assert 0.999 < cosine.mean() < 1 - 1e-9
    assert half.fingerprint != full.fingerprint
    assert half.weight_bytes < 0.51 * full.weight_bytes


def test_wishes_that_cannot_be_met_are_refused(toy: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="no taps"):
        create_runner(toy, [], engine="openvino")
    with pytest.raises(BackboneError, match=r"no cut 'block9'"):
        create_runner(toy, [Tap("block9")], engine="openvino")
    with pytest.raises(OptionError, match="is a graph here, which only OpenVINO runs"):
        create_runner(toy, [AVG], engine="eager")
    monkeypatch.setattr(devices, "available_devices", lambda: ["cuda:0", "cpu"])
    with pytest.raises(OptionError, match="runs on the CPU and not on cuda"):
        create_runner(toy, [AVG], engine="openvino", device="cuda")
    with pytest.raises(OptionError, match="is a graph here, which only OpenVINO runs"):
        create_runner(toy, [AVG], device="cuda")
    assert create_runner(toy, [AVG]).device == "cpu", "a graph stays on the CPU where nothing is said"


@pytest.mark.parametrize(
    ("engine", "device", "precision", "there", "expected"),
    [
        ("auto", "auto", "auto", ["cpu"], False),
        ("auto", "auto", "auto", ["cuda:0", "cpu"], True),
        ("auto", "auto", "int8", ["cuda:0", "cpu"], False),
        ("auto", "cpu", "auto", ["cuda:0", "cpu"], False),
        ("openvino", "auto", "auto", ["cuda:0", "cpu"], False),
        ("eager", "auto", "auto", ["cpu"], True),
        ("auto", "mps", "auto", ["mps", "cpu"], True),
    ],
)
def test_torch_is_needed_for_its_engine_and_for_devices_beside_the_cpu(
    engine: str,
    device: str,
    precision: str,
    there: list[str],
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "available_devices", lambda: there)
    assert needs_torch(engine, device, precision) == expected


@pytest.mark.parametrize(
    "batch", [np.zeros((2, SIZE, SIZE, 3)), np.zeros((2, 3, SIZE, SIZE), np.uint8)], ids=["floats", "planes"]
)
def test_a_batch_of_another_kind_is_refused(toy: Backbone, batch: Any) -> None:
    with pytest.raises(BackboneError, match=r"takes uint8 \(n, 48, 48, 3\)"):
        create_runner(toy, [AVG])(batch)


def test_a_batch_in_another_order_of_memory_gives_the_same(toy: Backbone, pixels: Pixels) -> None:
    runner = create_runner(toy, [AVG], precision="fp32")
    other = np.asfortranarray(pixels)
    np.testing.assert_array_equal(runner(other)[AVG], runner(pixels)[AVG])


def test_nothing_calls_out(tmp_path: Path, toy_networks: Path) -> None:
    script = """
        import socket

        calls = []
        socket.getaddrinfo = lambda *args, **kwargs: calls.append(args) or []
        socket.socket.connect = lambda self, address: calls.append(address)

        import numpy as np
        import sys, threading
        from importlib.util import find_spec
        from lightprobe.backbones import Tap, create_backbone, create_runner, has_int8

        backbone = create_backbone(sys.argv[1])
        pixels = np.zeros((2, 32, 32, 3), np.uint8)
        create_runner(backbone, [Tap("block3")])(pixels)
        if has_int8("cpu") and find_spec("nncf"):
            create_runner(backbone, [Tap("block3")], precision="int8", calibration=pixels)
        for thread in threading.enumerate():
            if thread is not threading.main_thread():
                thread.join(5)
        sys.exit(f"called out: {calls}" if calls else 0)
    """
    # A home of its own, in which nobody has opted out; and no CI, where the telemetry keeps quiet.
    environment = {
        "HOME": str(tmp_path),
        "LIGHTPROBE_CACHE": str(tmp_path / "cache"),
        "PATH": "",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", textwrap.dedent(script), str(toy_networks / f"{DEFAULT}.onnx")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()
