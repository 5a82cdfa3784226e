"""A backbone that is a network of torch's: what gradients train, and what runs on CUDA and MPS."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightprobe.backbones.backbone import Backbone, find_cut
from lightprobe.backbones.graphs import GraphBackbone
from lightprobe.backbones.names import PLAIN_CNNS, TIMM_PREFIX
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.taps import Cut, CutInfo
from lightprobe.backbones.torch_networks.architecture import Architecture
from lightprobe.backbones.torch_networks.conversion import to_onnx
from lightprobe.backbones.torch_networks.cutting import cut_network, graph_of, measure, missing_data
from lightprobe.backbones.torch_networks.plain_cnn import PlainCnnArchitecture
from lightprobe.backbones.torch_networks.timm_networks import TimmArchitecture
from lightprobe.errors import BackboneError, WeightsError


@dataclass(frozen=True, eq=False)
class TorchBackbone(Backbone):
    """A frozen network of torchvision's, timm's or a plain CNN.

    Parameters
    ----------
    architecture : Architecture
    state : mapping
        The kept tensors, float32, on the CPU.
    refused : str or None
        Why it cannot be converted to a graph, where that was tried.
    """

    architecture: Architecture
    state: Mapping[str, Tensor] = field(repr=False)
    refused: str | None = None

    @cached_property
    def cuts(self) -> tuple[Cut, ...]:
        """The layers that can be tapped, up to `cut`, in the order of execution."""
        every = graph_of(self.architecture).cuts
        return every[: [cut.name for cut in every].index(self.cut) + 1]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of architecture and kept weights: a part of the key of cached features."""
        sha = hashlib.sha256(self.architecture.fingerprint())
        for key in sorted(self.state):
            tensor = self.state[key].contiguous()
            sha.update(f"{key}{tuple(tensor.shape)}".encode())
            sha.update(tensor.numpy().data)
        return sha.hexdigest()

    def at(self, cut: str) -> Self:
        """Return this backbone ending at an earlier layer, the tensors behind it let go."""
        self.find_cut(cut)
        needed = missing_data(cut_network(self.architecture, [cut]))
        return replace(self, cut=cut, state={key: self.state[key] for key in needed})

    def measured(self, cuts: Sequence[Cut]) -> tuple[CutInfo, ...]:
        """Measure cuts, given in the order of execution, without running the network."""
        return measure(self.architecture, tuple(cuts))

    def network(self, cuts: Sequence[str]) -> nn.Module:
        """Build the network that ends at the deepest of the named layers.

        Returns
        -------
        Module
            In eval mode, without gradients: from normalised images (n, 3, s, s) to {cut: output}, all from
            one forward pass. Its modules are the caller's; its tensors are this backbone's own: do not write
            to them.
        """
        for cut in cuts:
            self.find_cut(cut)
        network = cut_network(self.architecture, cuts)
        needed = missing_data(network)
        network.load_state_dict({key: self.state[key] for key in needed}, strict=False, assign=True)
        if left := missing_data(network):
            raise WeightsError(f"{self.name} has no weights for {', '.join(left)}.")
        return network.requires_grad_(False)

    def as_graph(self) -> GraphBackbone:
        """Return the network with all its layers as a graph, converted anew; errors are `to_onnx`'s."""
        if self.refused is not None:
            raise BackboneError(self.refused)
        infos = tuple(self.describe())
        names = [info.name for info in infos]
        content = to_onnx(self.network(names), names, self.preprocessing.crop, self.name, self.to_config())
        return GraphBackbone(
            self.name,
            self.preprocessing,
            self.cut,
            self.weights,
            infos,
            self.digest,
            {"onnx": content},
            {name: name for name in names},
        )

    def graph(self, cuts: Sequence[str]) -> Any:
        """Return the network as a graph that ends at the named layers, converted anew."""
        return self.as_graph().graph(cuts)

    def first_kernels(self) -> NDArray[np.float32] | None:
        """Return the weights (k, 3, height, width) of the first convolution; None where there is none."""
        first = next((t for t in self.state.values() if t.ndim == 4 and t.shape[1] == 3), None)
        return None if first is None else first.numpy()

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return its weights as arrays, for the disk."""
        return {name: tensor.numpy() for name, tensor in self.state.items()}

    def to_config(self) -> dict[str, Any]:
        """Everything but `state`, fit for JSON."""
        return {
            "name": self.name,
            "builder": self.architecture.builder,
            "arguments": dict(self.architecture.arguments),
            "preprocessing": self.preprocessing.to_config(),
            "cut": self.cut,
            "weights": self.weights,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild a backbone from `to_config` and its tensors; reads no other file.

        Raises
        ------
        WeightsError
            The tensors are not exactly those that the cut network needs.
        """
        preprocessing = Preprocessing.from_config(config["preprocessing"])
        architecture = make_architecture(config["builder"], preprocessing.crop, config["arguments"])
        cut = find_cut(config["cut"], graph_of(architecture).cuts, config["name"]).name
        needed = missing_data(cut_network(architecture, [cut]))
        shapes = {key: tuple(tensor.shape) for key, tensor in needed.items()}
        if {key: tensor.shape for key, tensor in tensors.items()} != shapes:
            raise WeightsError(f"The saved weights do not fit {config['name']} cut at {cut}.")
        state = {key: torch.from_numpy(values).to(torch.float32) for key, values in tensors.items()}
        return cls(config["name"], preprocessing, cut, config["weights"], architecture, state)


def make_architecture(builder: str, image_size: int, arguments: Mapping[str, Any]) -> Architecture:
    """Make the recipe of a torchvision network, of `timm:NAME`, one of timm's, or of a plain CNN."""
    kind = Architecture
    if builder.startswith(TIMM_PREFIX):
        kind = TimmArchitecture
    elif builder in PLAIN_CNNS:
        kind = PlainCnnArchitecture
    return kind(builder, image_size, arguments)
