"""timm's networks: the same numbers as timm gives, cut, resized, saved and taken up again."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import (
    Backbone,
    Preprocessing,
    Tap,
    create_backbone,
    create_runner,
    describe_backbone,
    restore_backbone,
)
from lightprobe.errors import BackboneError, MissingExtraError, WeightsError

# ruff: noqa: E402
pytest.importorskip("timm")
pytestmark = pytest.mark.torch

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lightprobe.backbones.torch_networks import TorchBackbone, create_network
from lightprobe.backbones.torch_networks.timm_networks import timm_names

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
MakePair = Callable[[str, int], tuple[TorchBackbone, nn.Module]]

# The smallest of each kind: plain, with squeeze and excitation, transformer, channels last.
NETWORKS = ("test_resnet", "test_efficientnet", "test_vit", "test_mambaout")


def pixels(size: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)


def timm_network(name: str, **arguments: Any) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, **arguments)
    return network.eval()


@pytest.fixture
def make_pair(tmp_path: Path) -> MakePair:
    """A backbone and the whole network, as timm builds it for this image size, that hold the same tensors."""

    def make(name: str, image_size: int) -> tuple[TorchBackbone, nn.Module]:
        network = timm_network(name, **({"img_size": image_size} if "vit" in name else {}))
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        weights = tmp_path / "weights.safetensors"
        return create_network(f"timm:{name}", weights=weights, image_size=image_size), network

    return make


def maps(network: Any, batch: Pixels, mean: Sequence[float] = (), std: Sequence[float] = ()) -> Tensor:
    """timm's own features of a batch, normalised as timm publishes it, or as said."""
    facts = network.pretrained_cfg
    centre, spread = (
        torch.tensor(given or facts[key]).view(3, 1, 1) for key, given in (("mean", mean), ("std", std))
    )
    scaled = (torch.from_numpy(batch).permute(0, 3, 1, 2) / 255 - centre) / spread
    with torch.inference_mode():
        features: Tensor = network.forward_features(scaled)
    return features


def flat(backbone: Backbone, batch: Pixels) -> Floats:
    tap = Tap(backbone.cut, "flatten")
    engine = "eager" if isinstance(backbone, TorchBackbone) else "openvino"
    return create_runner(backbone, [tap], engine=engine, precision="fp32", device="cpu")(batch)[tap]


def close(found: Floats, truth: Tensor) -> None:
    np.testing.assert_allclose(found, truth.flatten(1).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_features_are_timms_own(make_pair: MakePair, name: str) -> None:
    backbone, network = make_pair(name, 160)
    truth = maps(network, pixels(160))
    close(flat(backbone, pixels(160)), truth)
    expected = {3: "tokens", 4: "nhwc" if name == "test_mambaout" else "nchw"}[truth.ndim]
    assert backbone.find_cut(backbone.cut).layout == expected


def test_a_class_token_stands_beside_the_mean_of_the_patches(make_pair: MakePair) -> None:
    backbone, network = make_pair("test_vit", 160)
    truth, tap = maps(network, pixels(160)), Tap(backbone.cut)
    pooled = create_runner(backbone, [tap], engine="eager", precision="fp32", device="cpu")(pixels(160))[tap]
    close(pooled, torch.cat([truth[:, 0], truth[:, 1:].mean(1)], 1))


def test_every_named_layer_can_be_tapped_and_ends_the_network_there() -> None:
    backbone = create_network("timm:test_efficientnet", weights="random")
    names = [cut.name for cut in backbone.cuts]
    assert names[-1] == backbone.cut == "bn2"
    assert set(names) >= {"blocks.0", "blocks.2"}
    taps = [Tap(name) for name in names]
    together = create_runner(backbone, taps, engine="eager", precision="fp32", device="cpu")(pixels(160))
    early = backbone.at(names[1])
    assert len(early.state) < len(backbone.state)
    alone = create_runner(early, taps[1:2], engine="eager", precision="fp32", device="cpu")(pixels(160))
    np.testing.assert_allclose(alone[taps[1]], together[taps[1]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_graphs_are_made_of_them(name: str) -> None:
    graph = create_backbone(f"timm:{name}", weights="random")
    network = create_network(f"timm:{name}", weights="random")
    assert graph.cuts == network.cuts
    assert graph.describe() == network.describe()
    np.testing.assert_allclose(flat(graph, pixels(160)), flat(network, pixels(160)), rtol=1e-4, atol=1e-4)


def test_preprocessing_is_what_timm_publishes() -> None:
    assert create_network("timm:test_vit", weights="random").preprocessing == Preprocessing(
        resize=168, crop=160, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic"
    )


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_another_image_size(make_pair: MakePair, name: str) -> None:
    backbone, network = make_pair(name, 64)
    truth = maps(network, pixels(64))
    close(flat(backbone, pixels(64)), truth)


def test_weights_from_a_file_with_facts_beside_it(tmp_path: Path) -> None:
    torch.manual_seed(7)
    network = timm.create_model("test_efficientnet", pad_type="same").eval()
    file = tmp_path / "same.safetensors"
    save_file(network.state_dict(), file)
    facts = {"mean": [0.4, 0.5, 0.6], "std": [0.5, 0.5, 0.5], "arguments": {"pad_type": "same"}}
    file.with_name("same.safetensors.json").write_text(json.dumps(facts))
    backbone = create_network("timm:test_efficientnet", weights=file)
    truth = maps(network, pixels(160), (0.4, 0.5, 0.6), (0.5, 0.5, 0.5))
    close(flat(backbone, pixels(160)), truth)


def test_weights_for_another_image_size_are_fitted_as_timm_does(tmp_path: Path) -> None:
    network = timm_network("test_vit")
    file = tmp_path / "vit.safetensors"
    save_file(network.state_dict(), file)
    backbone = create_network("timm:test_vit", weights=file, image_size=64)
    fitted = timm.create_model(
        "test_vit", pretrained=True, img_size=64, pretrained_cfg_overlay={"file": str(file)}
    ).eval()
    truth = maps(fitted, pixels(64))
    close(flat(backbone, pixels(64)), truth)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "resnet.safetensors"
    save_file(timm_network("test_resnet").state_dict(), file)
    with pytest.raises(WeightsError, match="does not hold this network's weights"):
        create_network("timm:test_vit", weights=file)


def test_a_saved_backbone_is_rebuilt_from_its_config_and_tensors() -> None:
    backbone = create_network("timm:test_vit2", weights="random", image_size=64)
    config = json.loads(json.dumps(backbone.to_config()))
    again = restore_backbone(config, backbone.to_tensors())
    assert again.digest == backbone.digest
    np.testing.assert_array_equal(flat(again, pixels(64)), flat(backbone, pixels(64)))


def test_published_weights_come_from_the_hub_by_way_of_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.safetensors"
    network = timm_network("test_resnet")
    save_file(network.state_dict(), file)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda **wanted: str(file))
    backbone = create_network("timm:test_resnet")
    assert backbone.weights == "test_resnet.r160_in1k"
    for key, tensor in backbone.state.items():
        assert torch.equal(tensor, network.state_dict()[key])


def test_without_a_network_one_sentence_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        WeightsError, match=r"cannot be downloaded \(.*\): get timm/test_resnet\.r160_in1k from"
    ):
        create_backbone("timm:test_resnet")


def test_a_network_is_described_without_its_weights() -> None:
    info = describe_backbone("timm:test_efficientnet")
    assert (info.weights, info.url) == ("test_efficientnet.r160_in1k", "timm/test_efficientnet.r160_in1k")
    parameters = sum(p.numel() for p in timm_network("test_efficientnet").parameters())
    assert info.megabytes == pytest.approx(parameters * 4 / 1e6)
    assert info.cuts[-1].pooled == 256


def test_unknown_names_are_refused_with_those_near_them() -> None:
    with pytest.raises(BackboneError, match=r"near it are timm:resnet"):
        create_backbone("timm:resnet19")
    with pytest.raises(BackboneError, match=r"near it are .*timm:resnet18\."):
        create_backbone("timm:resnet18.a1_in2k")
    assert "timm:resnet18" in timm_names()


def test_a_network_that_cannot_be_cut_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        BackboneError, match=r"cannot be taken apart at its layers \([^\n]*\): use another one"
    ):
        create_backbone("timm:twins_svt_small", weights="random")
    with pytest.raises(BackboneError, match="names no layers to cut it at"):
        create_backbone("timm:coat_tiny", weights="random")


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    config = create_network("timm:test_resnet", weights="random").to_config()
    config["preprocessing"]["crop"] = 33  # a size that was not built yet, so that it must be now
    monkeypatch.setitem(sys.modules, "timm", None)
    named = r"pip install 'lightprobe\[timm\]'"
    with pytest.raises(MissingExtraError, match=named):
        create_backbone("timm:resnet18")
    with pytest.raises(MissingExtraError, match=named):
        restore_backbone(config, {})
