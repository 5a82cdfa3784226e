"""Networks by name, and backbones that reload without files."""

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lightprobe.backbones import (
    DEFAULT,
    PACKAGED,
    create_backbone,
    create_runner,
    describe_backbone,
    list_backbones,
    pack,
    restore_backbone,
    zoo,
)
from lightprobe.backbones.taps import Tap
from lightprobe.errors import BackboneError, MissingExtraError, OptionError, WeightsError
from lightprobe.runtime import Runtime

if TYPE_CHECKING:
    from lightprobe.backbones import TorchBackbone


def in_torch(name: str, **options: Any) -> "TorchBackbone":
    from lightprobe.backbones.torch_networks import create_network

    return create_network(name, weights="random", **options)


@pytest.mark.real_network
@pytest.mark.parametrize(("name", "side"), [("efficientnet_lite0", 224), ("efficientnet_lite2", 260)])
def test_the_networks_inside_the_package_need_no_other_file(name: str, side: int) -> None:
    info = describe_backbone(name)
    assert name in PACKAGED
    assert (info.image_size, info.cuts[-1].name, info.cuts[-1].pooled) == (side, "bn2", 1280)
    assert (info.url, info.licence) == (None, "Apache-2.0")


def test_networks_inside_the_package_are_listed_first() -> None:
    assert tuple(list_backbones()[: len(PACKAGED)]) == PACKAGED
    assert PACKAGED[0] == DEFAULT


@pytest.mark.torch
def test_every_network_of_torchvision_can_be_named() -> None:
    from torchvision import models

    assert list_backbones() == [*PACKAGED, *models.list_models(module=models)]


def test_without_torch_those_that_need_it_are_not_listed_and_name_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert tuple(list_backbones()) == PACKAGED
    monkeypatch.setitem(sys.modules, "torch", None)
    for ask in (create_backbone, describe_backbone):
        with pytest.raises(
            MissingExtraError, match=r"resnet18, which is none .*pip install 'lightprobe\[torch\]'"
        ):
            ask("resnet18")


@pytest.mark.torch
def test_published_facts_come_from_torchvision() -> None:
    info = describe_backbone("vit_h_14")
    assert info.image_size == 518
    assert info.accuracy == pytest.approx(88.552)
    assert info.licence is not None
    assert info.url is not None


@pytest.mark.torch
def test_random_weights_are_torchvisions_own_from_the_seed_and_leave_the_generator_alone() -> None:
    import torch
    from torchvision import models

    torch.manual_seed(5)
    expected = models.squeezenet1_1().state_dict()
    torch.manual_seed(6)
    before = torch.random.get_rng_state()
    backbone = in_torch("squeezenet1_1", random_state=5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(tensor, expected[key]) for key, tensor in backbone.state.items())
    assert in_torch("squeezenet1_1").digest != backbone.digest


@pytest.mark.torch
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_that_were_trained_on_other_statistics_convert_their_input(name: str) -> None:
    from lightprobe.backbones.torch_networks.architecture import Architecture

    network = Architecture(name, 224).build(data=False)
    assert getattr(network, "transform_input", False) is True
    assert not [module for module, _ in network.named_modules() if "aux" in module.lower()]


@pytest.mark.torch
def test_an_unknown_network_names_its_neighbours() -> None:
    with pytest.raises(BackboneError, match=r"near it are .*resnet1.*`lightprobe backbones`"):
        create_backbone("resnet19")


@pytest.mark.torch
def test_an_unknown_cut_of_a_network_of_torchs_names_its_neighbours() -> None:
    with pytest.raises(BackboneError, match=r"'layer5'.*layer4.*`lightprobe backbones resnet18`"):
        create_backbone("resnet18", cut="layer5")


def test_options_of_networks_that_others_do_not_have_are_refused() -> None:
    with pytest.raises(OptionError, match=f"{DEFAULT} holds its weights: leave `weights` out"):
        create_backbone(DEFAULT, weights="mine.pth")
    with pytest.raises(OptionError, match="resnet18 has its own mean and deviation"):
        create_backbone("resnet18", mean=(0.5, 0.5, 0.5))


def test_a_graph_cut_short_no_longer_has_the_layers_behind() -> None:
    whole = create_backbone(DEFAULT)
    backbone = whole.at("block2")
    assert [cut.name for cut in backbone.cuts] == ["block1", "block2"]
    assert len(backbone.to_tensors()["onnx"]) < len(whole.to_tensors()["onnx"])
    with pytest.raises(BackboneError, match="no cut 'block3'"):
        backbone.graph(["block3"])


@pytest.mark.torch
def test_a_network_cut_short_no_longer_has_the_layers_behind() -> None:
    backbone = in_torch("resnet18", image_size=32).at("layer1")
    assert [cut.name for cut in backbone.cuts] == ["maxpool", "layer1.0", "layer1"]
    assert not [key for key in backbone.state if key.startswith("layer2")]
    with pytest.raises(BackboneError, match="no cut 'layer2'"):
        backbone.network(["layer2"])


@pytest.mark.torch
def test_the_digest_covers_weights_architecture_and_image_size() -> None:
    backbone = in_torch("squeezenet1_1", image_size=64)
    state = dict(backbone.state)
    state["features.0.bias"] = state["features.0.bias"] + 1e-6
    digests = {
        backbone.digest,
        replace(backbone, state=state).digest,
        in_torch("squeezenet1_1", image_size=65).digest,
    }
    assert len(digests) == 3
    assert in_torch("squeezenet1_1", image_size=64).digest == backbone.digest


def test_a_graph_reloads_from_its_config_and_tensors() -> None:
    backbone = create_backbone(DEFAULT, cut="block2", image_size=48)
    config = json.loads(json.dumps(backbone.to_config()))
    again = restore_backbone(config, pack(backbone.to_tensors()))
    assert again.digest == backbone.digest
    assert again.preprocessing == backbone.preprocessing
    assert again.describe() == backbone.describe()
    tap, pixels = Tap("block2", "flatten"), np.full((1, 48, 48, 3), 77, np.uint8)
    ours, theirs = (create_runner(b, [tap], precision="fp32")(pixels)[tap] for b in (again, backbone))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.torch
def test_a_network_of_torchs_reloads_from_its_config_and_packed_tensors() -> None:
    import torch

    backbone = in_torch("squeezenet1_1", cut="features.4", image_size=64)
    halves = {key: tensor.half().float() for key, tensor in backbone.state.items()}
    backbone = replace(backbone, state=halves)
    config = json.loads(json.dumps(backbone.to_config()))
    packed = pack(backbone.to_tensors())
    assert all(values.dtype == np.float16 for values in packed.values())

    again = restore_backbone(config, packed)

    assert again.digest == backbone.digest
    assert again.preprocessing == backbone.preprocessing
    assert again.cuts == backbone.cuts
    assert torch.equal(again.state["features.0.weight"], halves["features.0.weight"])  # type: ignore[attr-defined]


def test_a_config_with_another_graph_is_refused() -> None:
    backbone = create_backbone(DEFAULT)
    early = backbone.at("block1").to_tensors()
    damaged = {"onnx": backbone.to_tensors()["onnx"][:100]}
    for tensors in (early, damaged, {}):
        with pytest.raises(WeightsError, match=f"does not fit {DEFAULT} cut at block3"):
            restore_backbone(backbone.to_config(), tensors)


@pytest.mark.torch
def test_a_config_with_other_tensors_is_refused() -> None:
    backbone = in_torch("squeezenet1_1", image_size=64)
    tensors = {**backbone.to_tensors(), "more": np.zeros(1, np.float32)}
    with pytest.raises(WeightsError, match="do not fit squeezenet1_1"):
        restore_backbone(backbone.to_config(), tensors)


@pytest.mark.parametrize(
    ("runtime", "in_torch"),
    [(Runtime(), False), (Runtime(device="cuda"), True), (Runtime(engine="eager"), True)],
)
def test_a_gpu_that_is_there_takes_networks_in_files_only_if_it_is_named(
    runtime: Runtime, in_torch: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("lightprobe.devices.available_devices", lambda: ["cuda:0", "cpu"])
    monkeypatch.setattr(zoo, "create_backbone", lambda name, **how: asked.append(how["in_torch"]))
    zoo.backbone_for(runtime, DEFAULT)
    zoo.backbone_for(runtime, "resnet18")
    assert asked == [in_torch, True]


def test_a_name_that_is_not_inside_is_told_from_those_that_are_where_torch_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"efficientnet_lite1, which is none of .*efficientnet_lite0"):
        create_backbone("efficientnet_lite1")
