"""Cut a network at named layers, and measure the cuts without computing anything."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from lightprobe.backbones.architecture import Architecture, one_line
from lightprobe.backbones.taps import Cut
from lightprobe.errors import BackboneError

# torch.fx patches nn.Module for the whole process while it traces: two traces at once would leave it broken.
_TRACING: Final = threading.Lock()


class _AllCutsSeen(Exception):  # noqa: N818  a signal, not an error
    """Nothing further needs to be traced."""


class _CutTracer(fx.Tracer):
    """Record a network's forward pass until the last of the named layers has given its output.

    Modules that hold none of those layers are recorded as one step, whatever Python they run inside.
    """

    def __init__(self, cuts: Iterable[str]) -> None:
        super().__init__()
        self.cuts = set(cuts)
        self.outputs: dict[str, fx.Node] = {}
        self._thread = threading.get_ident()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether no named layer stands inside the module."""
        del m
        return not any(cut.startswith(f"{module_qualified_name}.") for cut in self.cuts)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record a call; calls of other threads, whose networks only run meanwhile, pass untouched."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        output = super().call_module(m, forward, args, kwargs)
        name = self.path_of_module(m)
        if name in self.cuts:
            self.outputs[name] = output.node
            if len(self.outputs) == len(self.cuts):
                raise _AllCutsSeen
        return output

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Record the use of a parameter, of this thread only."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def cut_network(network: nn.Module, cuts: Sequence[str]) -> fx.GraphModule:
    """Keep of a network only what leads to the named layers.

    Returns
    -------
    GraphModule
        From images (n, 3, s, s) to {cut: output}, in one forward pass. Modules behind the last named
        layer are gone; the others keep their names.
    """
    tracer = _CutTracer(cuts)
    with _TRACING:
        try:
            tracer.trace(network)
        except _AllCutsSeen:
            pass
        except Exception as error:  # its code asks a tensor for values, or for whatever else there is not yet
            raise BackboneError(
                f"This network cannot be taken apart at its layers ({one_line(error).partition('. ')[0]}): "
                "use another one."
            ) from error
        else:
            raise BackboneError(
                f"The network never runs {', '.join(sorted(tracer.cuts - {*tracer.outputs}))}."
            )
    tracer.graph.output({cut: tracer.outputs[cut] for cut in cuts})
    cut = fx.GraphModule(network, tracer.graph)
    cut.graph.eliminate_dead_code()
    cut.delete_all_unused_submodules()
    cut.recompile()
    cut.eval().requires_grad_(False)
    return cut


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


def output_shapes(cut: fx.GraphModule, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Shape of each output for one photo, found on the meta device, to which the module is moved.

    Raises
    ------
    BackboneError
        The network cannot take images of this size.
    """
    size = architecture.image_size
    try:
        with torch.inference_mode():
            outputs = cut.to("meta")(torch.empty(1, 3, size, size, device="meta"))
    except (AssertionError, AttributeError, RuntimeError, ValueError) as error:
        raise BackboneError(
            f"{architecture.builder} cannot take {size}-pixel images ({one_line(error)}): "
            "use --image-size with a size that it was made for."
        ) from error
    return {name: tuple(output.shape[1:]) for name, output in outputs.items()}


def measure(architecture: Architecture, cuts: Sequence[Cut]) -> list[CutInfo]:
    """Measure cuts, given in the order of execution: no weights, no arithmetic.

    Raises
    ------
    BackboneError
        The network cannot take images of this size.
    """
    network = architecture.build(data=False)
    whole = sum(parameter.numel() for parameter in network.parameters())
    cut = cut_network(network, [cut.name for cut in cuts])
    kept, shapes = _parameters_kept(cut), output_shapes(cut, architecture)
    return [CutInfo(cut, shapes[cut.name], kept[cut.name], kept[cut.name] / whole) for cut in cuts]


def multiplications(architecture: Architecture, cut: str) -> int:
    """Count what one photo takes up to a layer: of convolutions, matrix products and attention."""
    network = cut_network(architecture.build(data=False), [cut])
    with FlopCounterMode(display=False) as counter:
        output_shapes(network, architecture)
    return int(counter.get_total_flops()) // 2  # it counts additions, too


def _parameters_kept(cut: fx.GraphModule) -> dict[str, int]:
    """Count for each output the parameters used on the way to it."""
    used: set[nn.Parameter] = set()
    so_far: dict[fx.Node, int] = {}
    *steps, output = cut.graph.nodes
    for node in steps:
        if node.op == "call_module":
            used.update(cut.get_submodule(node.target).parameters())
        elif node.op == "get_attr":
            owner, _, attribute = node.target.rpartition(".")
            tensor = getattr(cut.get_submodule(owner), attribute)
            used.update([tensor] if isinstance(tensor, nn.Parameter) else [])
        so_far[node] = sum(parameter.numel() for parameter in used)
    return {name: so_far[last] for name, last in output.args[0].items()}
