"""A network as a recipe: built without data, cut by tracing, measured without computing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from lightprobe.backbones.families import FAMILIES, Family
from lightprobe.backbones.taps import Cut
from lightprobe.errors import BackboneError


class _WithoutData(TorchFunctionMode):
    """Within it, modules make their parameters on the meta device: shapes, no memory, no arithmetic.

    Only the factories that parameters and running statistics come from are redirected, not the default
    device: some constructors compute with small tensors (RegNet its widths, Swin its index tables),
    and those stay real.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func in (torch.empty, torch.zeros, torch.ones):
            options["device"] = "meta"
        return func(*args, **options)


@dataclass(frozen=True)
class Architecture:
    """A torchvision classification network, built for one image size.

    Parameters
    ----------
    builder : str
        torchvision's name of the network.
    image_size : int
        Pixels; some networks are built for one size.
    arguments : mapping
        Further arguments of the builder, fit for JSON.
    """

    builder: str
    image_size: int
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> Family:
        """Facts that the network shares with its kin."""
        return FAMILIES[models.get_model_builder(self.builder).__module__.rpartition(".")[2]]

    def build(self, *, data: bool) -> nn.Module:
        """Build the whole network, classifier included, in eval mode.

        With `data`, parameters are drawn from torch's global generator; without, they have shapes only.
        """
        family = self.family
        arguments = {**family.arguments, **self.arguments}
        if family.size_arguments is not None:
            arguments |= family.size_arguments(self.image_size)
        try:
            if data:
                network = models.get_model(self.builder, weights=None, **arguments)
            else:
                with _WithoutData():
                    network = models.get_model(self.builder, weights=None, **arguments)
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            raise BackboneError(
                f"{self.builder} cannot be built for {self.image_size}-pixel images"
                f"{f' with {dict(self.arguments)}' if self.arguments else ''}: {one_line(error)}."
            ) from error
        built: nn.Module = network.eval().requires_grad_(False)
        return built

    def fingerprint(self) -> bytes:
        """Return bytes that differ between architectures."""
        return json.dumps([self.builder, self.image_size, dict(self.arguments)], sort_keys=True).encode()


def cut_network(network: nn.Module, cuts: Sequence[str]) -> fx.GraphModule:
    """Keep of a network only what leads to the named layers.

    Returns
    -------
    GraphModule
        From images (n, 3, s, s) to {cut: output}, in one forward pass. Modules that no named layer
        depends on are gone; the others keep their names.
    """
    graph_module: fx.GraphModule = create_feature_extractor(network, {cut: cut for cut in cuts})
    graph_module.eval().requires_grad_(False)
    return graph_module


def missing_data(module: nn.Module) -> dict[str, Tensor]:
    """Name the parameters and buffers that have shapes but no data yet."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor for name, tensor in tensors if tensor.is_meta}


@dataclass(frozen=True)
class CutInfo:
    """What stopping at one cut gives and keeps.

    Parameters
    ----------
    cut : Cut
    shape : tuple of int
        Of the layer's output for one photo.
    parameters : int
        Kept in the cut network.
    share : float
        `parameters` over those of the whole network, classifier included, auxiliary heads not.
    """

    cut: Cut
    shape: tuple[int, ...]
    parameters: int
    share: float

    @property
    def name(self) -> str:
        """The cut's name."""
        return self.cut.name

    @property
    def pooled(self) -> int:
        """Features a photo with pool `avg`."""
        channels = self.shape[0] if self.cut.layout == "nchw" else self.shape[-1]
        return 2 * channels if self.cut.prefix_tokens else channels

    @property
    def flattened(self) -> int:
        """Features a photo with pool `flatten`."""
        return prod(self.shape)


def output_shapes(graph_module: fx.GraphModule, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Shape of each output for one photo, found on the meta device, to which the module is moved.

    Raises
    ------
    BackboneError
        The network cannot take images of this size.
    """
    size = architecture.image_size
    try:
        with torch.inference_mode():
            outputs = graph_module.to("meta")(torch.empty(1, 3, size, size, device="meta"))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise BackboneError(
            f"{architecture.builder} cannot take {size}-pixel images ({one_line(error)}): "
            "use --image-size with a size that it was made for."
        ) from error
    return {cut: tuple(output.shape[1:]) for cut, output in outputs.items()}


def measure(architecture: Architecture, cuts: Sequence[Cut]) -> list[CutInfo]:
    """Measure the given cuts on the meta device: shapes and counts, no weights, no arithmetic.

    Raises
    ------
    BackboneError
        The network cannot take images of this size.
    """
    network = architecture.build(data=False)
    whole = sum(parameter.numel() for parameter in network.parameters())
    graph_module = cut_network(network, [cut.name for cut in cuts])
    shapes = output_shapes(graph_module, architecture)
    kept = _parameters_kept(graph_module)
    return [CutInfo(cut, shapes[cut.name], kept[cut.name], kept[cut.name] / whole) for cut in cuts]


def _parameters_kept(graph_module: fx.GraphModule) -> dict[str, int]:
    """Count for each output the parameters that it depends on."""
    sizes = {name: parameter.numel() for name, parameter in graph_module.named_parameters()}
    by_module: dict[str, list[str]] = {}
    for name in sizes:
        by_module.setdefault(name.rpartition(".")[0], []).append(name)

    def owned(node: fx.Node) -> list[str]:
        target = str(node.target)
        if node.op == "get_attr":
            return [target] if target in sizes else []
        if node.op == "call_module":
            inside = graph_module.get_submodule(target).named_modules(prefix=target)
            return [name for module, _ in inside for name in by_module.get(module, [])]
        return []

    output = next(node for node in graph_module.graph.nodes if node.op == "output")
    kept = {}
    for cut, last in output.args[0].items():
        seen, waiting, names = {last}, [last], set[str]()
        while waiting:
            node = waiting.pop()
            names.update(owned(node))
            new = [source for source in node.all_input_nodes if source not in seen]
            seen.update(new)
            waiting += new
        kept[cut] = sum(sizes[name] for name in names)
    return kept


def one_line(error: BaseException) -> str:
    """First line of an error's message, without its full stop, to stand within a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
