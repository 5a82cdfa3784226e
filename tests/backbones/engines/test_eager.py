"""The eager engine against the whole torchvision network fed by torchvision's own normalisation."""

from collections.abc import Callable

import pytest
import torch
from lightprobe.backbones.engines.devices import available_devices, available_precisions
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms.v2 import functional

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines import create_runner
from lightprobe.backbones.taps import Tap
from lightprobe.backbones.zoo import create_backbone
from lightprobe.errors import BackboneError, OptionError

MakePair = Callable[[str, int], tuple[Backbone, nn.Module]]
SIZE = 48
AVG, FLAT, EARLY = Tap("features"), Tap("features", "flatten"), Tap("features.4")

needs_bf16 = pytest.mark.skipif(
    "bf16" not in available_precisions(torch.device("cpu")), reason="needs a CPU with bf16 arithmetic"
)


@pytest.fixture
def pixels() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)


def expected_maps(pixels: Tensor, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    network = models.squeezenet1_1().eval()
    scaled = functional.to_dtype(pixels, torch.float32, scale=True)
    normalised = functional.normalize(scaled, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.inference_mode():
        maps: Tensor = network.features(normalised)
    return maps


def test_features_are_those_of_the_normalised_whole_network(pixels: Tensor) -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=SIZE)
    features = create_runner(backbone, [AVG, FLAT], precision="fp32", device="cpu")(pixels)
    maps = expected_maps(pixels)
    torch.testing.assert_close(features[AVG], maps.mean((2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features[FLAT], maps.flatten(1), rtol=1e-4, atol=1e-5)


def test_sizes_promised_are_sizes_given(pixels: Tensor) -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=SIZE)
    runner = create_runner(backbone, [AVG, FLAT, EARLY], device="cpu")
    sizes = {tap: matrix.shape[1] for tap, matrix in runner(pixels).items()}
    assert sizes == backbone.feature_sizes(runner.taps)


def test_several_taps_in_one_pass_equal_one_at_a_time(pixels: Tensor) -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=SIZE)
    together = create_runner(backbone, [FLAT, EARLY, AVG, EARLY], precision="fp32", device="cpu")
    assert together.taps == (FLAT, EARLY, AVG)
    features = together(pixels)
    for tap in together.taps:
        alone = create_runner(backbone, [tap], precision="fp32", device="cpu")(pixels)[tap]
        torch.testing.assert_close(features[tap], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", available_devices())
def test_a_photo_sees_nothing_of_its_batch(make_pair: MakePair, pixels: Tensor, device: str) -> None:
    backbone, _ = make_pair("resnet18", SIZE)
    runner = create_runner(backbone, [Tap("layer2")], precision="fp32", device=device)
    together = runner(pixels)[Tap("layer2")]
    alone = torch.cat([runner(photo[None])[Tap("layer2")] for photo in pixels])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert together.device.type == "cpu"


@pytest.mark.parametrize(
    ("device", "precision"),
    [(d, p) for d in available_devices() for p in available_precisions(torch.device(d)) if p != "fp32"],
)
def test_halves_agree_with_fp32(make_pair: MakePair, pixels: Tensor, device: str, precision: str) -> None:
    backbone, _ = make_pair("resnet18", SIZE)
    tap = Tap("layer2", "flatten")
    half, full = (
        create_runner(backbone, [tap], precision=p, device=device)(pixels)[tap] for p in (precision, "fp32")
    )
    assert half.dtype == torch.float32
    cosine = torch.cosine_similarity(half, full).mean()
    assert 0.999 < cosine < 1 - 1e-9


def test_a_runner_says_what_it_is_and_weighs() -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=SIZE)
    runner = create_runner(backbone, [AVG], precision="fp32", device="cpu")
    parameters = sum(p.numel() for p in models.squeezenet1_1().features.parameters())
    assert (runner.engine, runner.precision, runner.device) == ("eager", "fp32", torch.device("cpu"))
    assert runner.weight_bytes == 4 * (parameters + 6)  # scale and shift, three channels each


@needs_bf16
def test_halves_are_held_as_halves_and_leave_the_backbone_alone() -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=SIZE)
    before = {key: tensor.clone() for key, tensor in backbone.state.items()}
    half, full = (
        create_runner(backbone, [AVG], engine="eager", precision=p, device="cpu") for p in ("bf16", "fp32")
    )
    assert half.weight_bytes == pytest.approx(full.weight_bytes / 2, rel=1e-4)
    for key, tensor in backbone.state.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[key])


@needs_bf16
def test_halves_give_what_autocast_gives(make_pair: MakePair, pixels: Tensor) -> None:
    backbone, whole = make_pair("resnet18", SIZE)
    tap = Tap("layer2")
    scaled = functional.to_dtype(pixels, torch.float32, scale=True)
    normalised = functional.normalize(scaled, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    layers = nn.Sequential(*list(whole.children())[:6])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        truth = layers(normalised).float().mean((2, 3))
    runner = create_runner(backbone, [tap], engine="eager", precision="bf16", device="cpu")
    assert torch.cosine_similarity(runner(pixels)[tap], truth).min() > 0.9999


@pytest.mark.parametrize(
    "batch",
    [
        torch.zeros(2, 3, SIZE, SIZE),
        torch.zeros(3, SIZE, SIZE, dtype=torch.uint8),
        torch.zeros(2, 3, SIZE, SIZE + 1, dtype=torch.uint8),
    ],
)
def test_a_batch_of_another_kind_is_refused(batch: Tensor) -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=SIZE)
    with pytest.raises(BackboneError, match=r"takes uint8 \(n, 3, 48, 48\)"):
        create_runner(backbone, [AVG], device="cpu")(batch)


def test_unknown_engines_cuts_and_empty_wishes_are_refused() -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=SIZE)
    with pytest.raises(OptionError, match="'tensorflow'; allowed are auto, eager"):
        create_runner(backbone, [AVG], engine="tensorflow")
    with pytest.raises(OptionError, match="no taps"):
        create_runner(backbone, [])
    with pytest.raises(BackboneError, match=r"no cut 'features\.99'"):
        create_runner(backbone, [Tap("features.99")])
