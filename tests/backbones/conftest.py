"""Toys for seeing: small photos, and networks whose batch norms have something to do."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from lightprobe.backbones.cutting import cut_network, missing_data
from torch import Tensor, nn
from torchvision import models

from lightprobe.backbones.backbone import Backbone, make_architecture
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.zoo import create_backbone

# What torchvision itself sets when it loads the published weights of these two.
_PRETRAINED_AS = {
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": False},
    "inception_v3": {"aux_logits": False, "transform_input": True, "init_weights": False},
}


@pytest.fixture
def make_photo() -> Callable[[int, int], Tensor]:
    """A smooth uint8 photo (3, height, width) with an edge: resizing it has something to get wrong."""

    def make(height: int, width: int) -> Tensor:
        y, x = torch.meshgrid(torch.linspace(0, 9, height), torch.linspace(0, 7, width), indexing="ij")
        channels = torch.stack([torch.sin(x) * torch.cos(y), torch.cos(x * y / 3), (x > y).float()])
        return ((channels + 1) * 127).to(torch.uint8)

    return make


@pytest.fixture
def make_light() -> Callable[[str, int, str], Backbone]:
    """A backbone up to an early cut; random tensors are drawn for what it keeps and nothing else."""

    def make(name: str, image_size: int, cut: str) -> Backbone:
        architecture = make_architecture(name, image_size, {})
        generator = torch.Generator().manual_seed(0)
        state = {
            key: torch.randn(tensor.shape, generator=generator) * 0.05
            for key, tensor in missing_data(cut_network(architecture, [cut])).items()
        }
        return Backbone(name, architecture, Preprocessing(image_size, image_size), cut, "random", state)

    return make


@pytest.fixture
def make_pair() -> Callable[[str, int], tuple[Backbone, nn.Module]]:
    """A backbone and the whole network, as torchvision builds it, that holds the same tensors.

    The batch norms have seen images: new ones do nothing, which would hide mistakes, and made-up
    statistics let the signal die on the way, after which everything equals everything.
    """

    def make(name: str, image_size: int) -> tuple[Backbone, nn.Module]:
        torch.manual_seed(0)
        whole: nn.Module = models.get_model(name, weights=None, **_PRETRAINED_AS.get(name, {})).train()
        for module in whole.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            whole(torch.randn(4, 3, image_size, image_size))
        backbone = create_backbone(name, weights="random", image_size=image_size)
        tensors = whole.eval().state_dict()
        return replace(backbone, state={key: tensors[key] for key in backbone.state}), whole

    return make
