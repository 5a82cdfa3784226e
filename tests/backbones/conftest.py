"""Toys for seeing: small photos, and networks whose batch norms have something to do."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import Preprocessing, create_backbone

if TYPE_CHECKING:
    from torch import nn

    from lightprobe.backbones import TorchBackbone

# What torchvision itself sets when it loads the published weights of these two.
_PRETRAINED_AS = {
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": False},
    "inception_v3": {"aux_logits": False, "transform_input": True, "init_weights": False},
}


@pytest.fixture
def make_photo() -> Callable[[int, int], NDArray[np.uint8]]:
    """A smooth uint8 photo (height, width, 3) with an edge: resizing it has something to get wrong.

    Its pixels leave room for what a cubic adds at edges: what is cut off at 0 and 255 depends on which
    direction is resized first.
    """

    def make(height: int, width: int) -> NDArray[np.uint8]:
        y, x = np.meshgrid(np.linspace(0, 9, height), np.linspace(0, 7, width), indexing="ij")
        channels = np.stack([np.sin(x) * np.cos(y), np.cos(x * y / 3), (x > y).astype(float)], axis=-1)
        return (channels * 80 + 127).astype(np.uint8)

    return make


@pytest.fixture
def make_light() -> "Callable[[str, int, str], TorchBackbone]":
    """A backbone up to an early cut; random tensors are drawn for what it keeps and nothing else."""
    import torch

    from lightprobe.backbones import TorchBackbone
    from lightprobe.backbones.torch_networks.cutting import cut_network, missing_data
    from lightprobe.backbones.torch_networks.torch_backbone import make_architecture

    def make(name: str, image_size: int, cut: str) -> TorchBackbone:
        architecture = make_architecture(name, image_size, {})
        generator = torch.Generator().manual_seed(0)
        state = {
            key: torch.randn(tensor.shape, generator=generator) * 0.05
            for key, tensor in missing_data(cut_network(architecture, [cut])).items()
        }
        how = Preprocessing(image_size, image_size)
        return TorchBackbone(name, how, cut, "random", architecture, state)

    return make


@pytest.fixture
def make_pair() -> "Callable[[str, int], tuple[TorchBackbone, nn.Module]]":
    """A backbone and the whole network, as torchvision builds it, that holds the same tensors.

    The batch norms have seen images: new ones do nothing, which would hide mistakes, and made-up
    statistics let the signal die on the way, after which everything equals everything.
    """
    import torch
    from torch import nn
    from torchvision import models

    from lightprobe.backbones import TorchBackbone

    def make(name: str, image_size: int) -> tuple[TorchBackbone, nn.Module]:
        torch.manual_seed(0)
        whole: nn.Module = models.get_model(name, weights=None, **_PRETRAINED_AS.get(name, {})).train()
        for module in whole.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            whole(torch.randn(4, 3, image_size, image_size))
        backbone = create_backbone(name, weights="random", image_size=image_size, in_torch=True)
        assert isinstance(backbone, TorchBackbone)
        tensors = whole.eval().state_dict()
        return replace(backbone, state={key: tensors[key] for key in backbone.state}), whole

    return make
