import pytest

pytest.importorskip("torch")

from lightprobe.backbones import TorchBackbone, create_backbone
from lightprobe.backprop.networks import HeadedNetwork, stages_of

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("name", "stages"), [("resnet18", 4), ("timm:test_efficientnet", 5), ("cnn3", 4), ("timm:test_vit", 7)]
)
def test_stages_hold_every_parameter_once(name: str, stages: int) -> None:
    backbone = create_backbone(name, weights="random", in_torch=True)
    assert isinstance(backbone, TorchBackbone)
    found = stages_of(backbone)
    assert len(found) == stages
    every = dict(backbone.network([backbone.cut]).named_parameters())
    assert sorted(parameter for stage in found for parameter in stage) == sorted(every)


def test_earlier_stages_learn_more_slowly_and_frozen_ones_not_at_all() -> None:
    backbone = create_backbone("resnet18", weights="random", in_torch=True)
    assert isinstance(backbone, TorchBackbone)
    network = HeadedNetwork(backbone, 3, unfreeze=2)
    rates = [lr for lr, _ in network.groups(0.1, 0.5)]
    assert rates == [0.1, 0.1, 0.05]
    learning = {name.split(".")[0] for name, p in network.body.named_parameters() if p.requires_grad}
    assert learning == {"layer3", "layer4"}
    assert not network.train().body.get_submodule("layer1.0.bn1").training
    assert network.body.get_submodule("layer4.0.bn1").training
