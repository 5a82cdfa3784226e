"""A backbone: a frozen network up to its cut, with everything needed to run it and to save it."""

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn

from lightprobe.backbones.architecture import Architecture
from lightprobe.backbones.cutting import CutInfo, cut_network, graph_of, measure, missing_data
from lightprobe.backbones.plain_cnn import PLAIN_CNNS, PlainCnnArchitecture
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.taps import Cut, Tap
from lightprobe.backbones.timm_networks import PREFIX, TimmArchitecture
from lightprobe.errors import BackboneError, WeightsError


@dataclass(frozen=True, eq=False)
class Backbone:
    """A frozen network that ends at `cut`; what lies behind it is neither run nor kept.

    Parameters
    ----------
    name : str
        As `create_backbone` takes it.
    architecture : Architecture
    preprocessing : Preprocessing
    cut : str
        The deepest layer kept.
    weights : str
        Where the weights come from, for people.
    state : mapping
        The kept tensors, float32, on the CPU.
    """

    name: str
    architecture: Architecture
    preprocessing: Preprocessing
    cut: str
    weights: str
    state: Mapping[str, Tensor] = field(repr=False)

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

    def find_cut(self, name: str) -> Cut:
        """Return the named cut; BackboneError if the network has none of that name or ends before it."""
        return find_cut(name, self.cuts, self.name)

    def at(self, cut: str) -> Self:
        """Return this backbone ending at an earlier layer, the tensors behind it let go."""
        self.find_cut(cut)
        needed = missing_data(cut_network(self.architecture, [cut]))
        state = {key: self.state[key] for key in needed}
        return type(self)(self.name, self.architecture, self.preprocessing, cut, self.weights, state)

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

    def describe(self) -> list[CutInfo]:
        """Measure every layer that can be tapped, without running the network."""
        return list(measure(self.architecture, self.cuts))

    def feature_sizes(self, taps: Iterable[Tap]) -> dict[Tap, int]:
        """Count the features a photo that each tap gives, without running the network."""
        taps = list(taps)
        cuts = tuple(self.find_cut(name) for name in dict.fromkeys(tap.cut for tap in taps))
        infos = {info.name: info for info in measure(self.architecture, cuts)}
        return {tap: infos[tap.cut].pooled if tap.pool == "avg" else infos[tap.cut].flattened for tap in taps}

    def multiplications(self, cut: str) -> int:
        """Count what looking at one photo takes up to a layer, without running the network."""
        return measure(self.architecture, (self.find_cut(cut),))[0].multiplications

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
    def from_config(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
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
        shapes = {key: tensor.shape for key, tensor in needed.items()}
        if {key: tensor.shape for key, tensor in state.items()} != shapes:
            raise WeightsError(f"The saved weights do not fit {config['name']} cut at {cut}.")
        tensors = {key: tensor.to(torch.float32) for key, tensor in state.items()}
        return cls(config["name"], architecture, preprocessing, cut, config["weights"], tensors)


def make_architecture(builder: str, image_size: int, arguments: Mapping[str, Any]) -> Architecture:
    """Make the recipe of a torchvision network, of `timm:NAME`, one of timm's, or of a plain CNN."""
    kind = Architecture
    if builder.startswith(PREFIX):
        kind = TimmArchitecture
    elif builder in PLAIN_CNNS:
        kind = PlainCnnArchitecture
    return kind(builder, image_size, arguments)


def find_cut(name: str, cuts: Sequence[Cut], network: str) -> Cut:
    """Return the cut of that name; BackboneError names near matches."""
    for cut in cuts:
        if cut.name == name:
            return cut
    names = [cut.name for cut in cuts]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[-3:]
    raise BackboneError(
        f"{network} has no cut {name!r} here; near it are {', '.join(near)}, "
        f"and `lightprobe backbones {network}` lists them all."
    )
