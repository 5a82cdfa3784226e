"""Networks by name, and backbones that reload without files."""

import json
from dataclasses import replace

import pytest
import torch
from lightprobe.backbones.architecture import Architecture
from lightprobe.backbones.weights import pack_state
from torchvision import models

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.zoo import BACKBONES, STARTER, create_backbone, describe_backbone
from lightprobe.errors import BackboneError, WeightsError


def test_the_starter_is_made_from_what_ships_inside_the_package() -> None:
    backbone = create_backbone(STARTER)
    assert backbone.preprocessing.crop == 128
    assert backbone.describe()[-1].pooled == 440
    assert describe_backbone(STARTER).url is None


def test_every_network_of_torchvision_can_be_named() -> None:
    assert BACKBONES[0] == STARTER
    assert {*models.list_models(module=models)} < {*BACKBONES}


def test_published_facts_come_from_torchvision() -> None:
    info = describe_backbone("vit_h_14")
    assert info.image_size == 518
    assert info.accuracy == pytest.approx(88.552)
    assert info.licence is not None
    assert info.url is not None


def test_random_weights_are_torchvisions_own_from_the_seed_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    expected = models.squeezenet1_1().state_dict()
    torch.manual_seed(6)
    before = torch.random.get_rng_state()
    backbone = create_backbone("squeezenet1_1", weights="random", random_state=5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(tensor, expected[key]) for key, tensor in backbone.state.items())
    assert create_backbone("squeezenet1_1", weights="random").digest != backbone.digest


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_that_were_trained_on_other_statistics_convert_their_input(name: str) -> None:
    network = Architecture(name, 224).build(data=False)
    assert getattr(network, "transform_input", False) is True
    assert not [module for module, _ in network.named_modules() if "aux" in module.lower()]


def test_an_unknown_network_names_its_neighbours() -> None:
    with pytest.raises(BackboneError, match=r"near it are .*resnet1.*`lightprobe backbones`"):
        create_backbone("resnet19")


def test_an_unknown_cut_names_its_neighbours() -> None:
    with pytest.raises(BackboneError, match=r"'layer5'.*layer4.*`lightprobe backbones resnet18`"):
        create_backbone("resnet18", cut="layer5")


def test_a_backbone_cut_short_no_longer_has_the_layers_behind() -> None:
    backbone = create_backbone("resnet18", weights="random", image_size=32).at("layer1")
    assert [cut.name for cut in backbone.cuts] == ["maxpool", "layer1.0", "layer1"]
    assert not [key for key in backbone.state if key.startswith("layer2")]
    with pytest.raises(BackboneError, match="no cut 'layer2'"):
        backbone.network(["layer2"])


def test_the_digest_covers_weights_architecture_and_image_size() -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=64)
    state = dict(backbone.state)
    state["features.0.bias"] = state["features.0.bias"] + 1e-6
    digests = {
        backbone.digest,
        replace(backbone, state=state).digest,
        create_backbone("squeezenet1_1", weights="random", image_size=65).digest,
    }
    assert len(digests) == 3
    assert create_backbone("squeezenet1_1", weights="random", image_size=64).digest == backbone.digest


def test_a_backbone_reloads_from_its_config_and_packed_tensors() -> None:
    backbone = create_backbone(STARTER, cut="trunk_output.block2", image_size=64)
    config = json.loads(json.dumps(backbone.to_config()))
    packed = pack_state(backbone.state)
    assert all(tensor.dtype == torch.float16 for tensor in packed.values())

    again = Backbone.from_config(config, packed)

    assert again.digest == backbone.digest
    assert again.preprocessing == backbone.preprocessing
    assert again.cuts == backbone.cuts


def test_a_config_with_other_tensors_is_refused() -> None:
    backbone = create_backbone("squeezenet1_1", weights="random", image_size=64)
    with pytest.raises(WeightsError, match="do not fit squeezenet1_1"):
        Backbone.from_config(backbone.to_config(), {**backbone.state, "more": torch.zeros(1)})
