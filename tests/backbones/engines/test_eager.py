"""The eager engine against the whole torchvision network fed by torchvision's own normalisation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import Tap, create_runner
from lightprobe.backbones.engines.precisions import available_precisions
from lightprobe.devices import CPU, available_devices
from lightprobe.errors import BackboneError, OptionError

# ruff: noqa: E402
pytest.importorskip("torch")
pytestmark = pytest.mark.torch

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms.v2 import functional

from lightprobe.backbones.torch_networks import TorchBackbone, create_network

Pixels = NDArray[np.uint8]
MakePair = Callable[[str, int], tuple[TorchBackbone, nn.Module]]
SIZE = 48
AVG, FLAT, EARLY = Tap("features"), Tap("features", "flatten"), Tap("features.4")

needs_bf16 = pytest.mark.skipif(
    "bf16" not in available_precisions(CPU), reason="needs a CPU with bf16 arithmetic"
)


@pytest.fixture
def pixels() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)


@pytest.fixture
def squeezenet() -> TorchBackbone:
    return create_network("squeezenet1_1", weights="random", image_size=SIZE)


def normalised(pixels: Pixels) -> Tensor:
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    scaled = functional.to_dtype(planes, torch.float32, scale=True)
    images: Tensor = functional.normalize(scaled, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return images


def cosines(x: NDArray[np.float32], y: NDArray[np.float32]) -> Tensor:
    return torch.cosine_similarity(torch.from_numpy(x), torch.from_numpy(y))


def test_features_are_those_of_the_normalised_whole_network(
    squeezenet: TorchBackbone, pixels: Pixels
) -> None:
    features = create_runner(squeezenet, [AVG, FLAT], precision="fp32", device="cpu")(pixels)
    torch.manual_seed(0)
    with torch.inference_mode():
        maps = models.squeezenet1_1().eval().features(normalised(pixels))
    for tap, truth in ((AVG, maps.mean((2, 3))), (FLAT, maps.flatten(1))):
        assert features[tap].dtype == np.float32
        np.testing.assert_allclose(features[tap], truth.numpy(), rtol=1e-4, atol=1e-5)


def test_sizes_promised_are_sizes_given(squeezenet: TorchBackbone, pixels: Pixels) -> None:
    runner = create_runner(squeezenet, [AVG, FLAT, EARLY], device="cpu")
    sizes = {tap: matrix.shape[1] for tap, matrix in runner(pixels).items()}
    assert sizes == squeezenet.feature_sizes(runner.taps)


def test_several_taps_in_one_pass_equal_one_at_a_time(squeezenet: TorchBackbone, pixels: Pixels) -> None:
    together = create_runner(squeezenet, [FLAT, EARLY, AVG, EARLY], precision="fp32", device="cpu")
    assert together.taps == (FLAT, EARLY, AVG)
    features = together(pixels)
    for tap in together.taps:
        alone = create_runner(squeezenet, [tap], precision="fp32", device="cpu")(pixels)[tap]
        np.testing.assert_allclose(features[tap], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", available_devices())
def test_a_photo_sees_nothing_of_its_batch(make_pair: MakePair, pixels: Pixels, device: str) -> None:
    backbone, _ = make_pair("resnet18", SIZE)
    runner = create_runner(backbone, [Tap("layer2")], precision="fp32", device=device)
    together = runner(pixels)[Tap("layer2")]
    alone = np.concatenate([runner(photo[None])[Tap("layer2")] for photo in pixels])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("device", "precision"),
    [(d, p) for d in available_devices() for p in available_precisions(d) if p != "fp32"],
)
def test_halves_agree_with_fp32(make_pair: MakePair, pixels: Pixels, device: str, precision: str) -> None:
    backbone, _ = make_pair("resnet18", SIZE)
    tap = Tap("layer2", "flatten")
    half, full = (
        create_runner(backbone, [tap], precision=p, device=device)(pixels)[tap] for p in (precision, "fp32")
    )
    assert half.dtype == np.float32
    assert 0.999 < cosines(half, full).mean() < 1 - 1e-9


def test_a_runner_says_what_it_is_and_weighs(squeezenet: TorchBackbone) -> None:
    runner = create_runner(squeezenet, [AVG], precision="fp32", device="cpu")
    parameters = sum(p.numel() for p in models.squeezenet1_1().features.parameters())
    assert (runner.engine, runner.precision, runner.device) == ("eager", "fp32", CPU)
    assert runner.weight_bytes == 4 * (parameters + 6)  # scale and shift, three channels each


@needs_bf16
def test_halves_are_held_as_halves_and_leave_the_backbone_alone(squeezenet: TorchBackbone) -> None:
    before = {key: tensor.clone() for key, tensor in squeezenet.state.items()}
    half, full = (
        create_runner(squeezenet, [AVG], engine="eager", precision=p, device="cpu") for p in ("bf16", "fp32")
    )
    assert half.weight_bytes == pytest.approx(full.weight_bytes / 2, rel=1e-4)
    for key, tensor in squeezenet.state.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[key])


@needs_bf16
def test_halves_give_what_autocast_gives(make_pair: MakePair, pixels: Pixels) -> None:
    backbone, whole = make_pair("resnet18", SIZE)
    tap = Tap("layer2")
    layers = nn.Sequential(*list(whole.children())[:6])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        truth = layers(normalised(pixels)).float().mean((2, 3)).numpy()
    runner = create_runner(backbone, [tap], engine="eager", precision="bf16", device="cpu")
    assert cosines(runner(pixels)[tap], truth).min() > 0.9999


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((2, SIZE, SIZE, 3), np.float32),
        np.zeros((SIZE, SIZE, 3), np.uint8),
        np.zeros((2, SIZE, SIZE + 1, 3), np.uint8),
        np.zeros((2, 3, SIZE, SIZE), np.uint8),
    ],
)
def test_a_batch_of_another_kind_is_refused(squeezenet: TorchBackbone, batch: Any) -> None:
    with pytest.raises(BackboneError, match=r"takes uint8 \(n, 48, 48, 3\)"):
        create_runner(squeezenet, [AVG], device="cpu")(batch)


def test_unknown_engines_cuts_and_empty_wishes_are_refused(squeezenet: TorchBackbone) -> None:
    with pytest.raises(OptionError, match="'tensorflow'; allowed are auto, eager"):
        create_runner(squeezenet, [AVG], engine="tensorflow")
    with pytest.raises(OptionError, match="no taps"):
        create_runner(squeezenet, [])
    with pytest.raises(BackboneError, match=r"no cut 'features\.99'"):
        create_runner(squeezenet, [Tap("features.99")])
