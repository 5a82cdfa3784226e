"""Cut a network at named layers, and measure the cuts without computing anything.

A network without data is built once and kept, and so is what was measured of it: looking at photos asks for
both again and again. What is handed out shares no module with what is kept.
"""

import copy
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from lightprobe.backbones.taps import Cut, CutInfo
from lightprobe.backbones.torch_networks.architecture import Architecture
from lightprobe.errors import BackboneError, one_line

_KEPT_NETWORKS: Final = 8  # some megabytes each: modules and shapes, no weights
_KEPT_MEASUREMENTS: Final = 64
_BUILDING: Final = threading.Lock()
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


class Graph(NamedTuple):
    """A whole network without data, classifier included, and its cuts in the order of execution.

    It is kept, and stands for every network of its architecture: only to be read.
    """

    network: nn.Module
    cuts: tuple[Cut, ...]


def graph_of(architecture: Architecture) -> Graph:
    """Build a network without data, or return it as it was built before."""
    with _BUILDING:  # else two threads that ask at once would build it twice
        return _build(architecture)


@lru_cache(_KEPT_NETWORKS)
def _build(architecture: Architecture) -> Graph:
    network = architecture.build(data=False)
    return Graph(network, architecture.find_cuts(network))


def cut_network(architecture: Architecture, cuts: Sequence[str]) -> fx.GraphModule:
    """Keep of a network only what leads to the named layers.

    Returns
    -------
    GraphModule
        From images (n, 3, s, s) to {cut: output}, in one forward pass, without data yet. Modules behind the
        last named layer are gone; the others keep their names.
    """
    network, tracer = _twin(graph_of(architecture).network), _CutTracer(cuts)
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


def _twin(module: nn.Module) -> nn.Module:
    """Copy modules and not their tensors: whoever puts others in their place leaves the original alone.

    Some times as fast as copying deeply, which takes as long as building the network.
    """
    twin = copy.copy(module)
    for name, value in vars(module).items():
        if isinstance(value, dict | set):
            setattr(twin, name, value.copy())
    for name, child in module.named_children():
        twin._modules[name] = _twin(child)
    return twin


def missing_data(module: nn.Module) -> dict[str, Tensor]:
    """Name the parameters and buffers that have shapes but no data yet."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor for name, tensor in tensors if tensor.is_meta}


@lru_cache(_KEPT_MEASUREMENTS)
def measure(architecture: Architecture, cuts: tuple[Cut, ...]) -> tuple[CutInfo, ...]:
    """Measure cuts, given in the order of execution: no weights, no arithmetic.

    Raises
    ------
    BackboneError
        The network cannot take images of this size.
    """
    whole = sum(parameter.numel() for parameter in graph_of(architecture).network.parameters())
    meter = _Meter(cut_network(architecture, [cut.name for cut in cuts]).to("meta"))
    size = architecture.image_size
    try:
        with torch.inference_mode(), meter.flops:
            meter.run(torch.empty(1, 3, size, size, device="meta"))
    except (AssertionError, AttributeError, RuntimeError, ValueError) as error:
        raise BackboneError(
            f"{architecture.builder} cannot take {size}-pixel images ({one_line(error)}): "
            "use `image_size` with a size that it was made for."
        ) from error
    return tuple(
        CutInfo(cut, shape, parameters, parameters / whole, multiplications)
        for cut in cuts
        for shape, parameters, multiplications in [meter.measured[cut.name]]
    )


class _Meter(fx.Interpreter):
    """Run a cut network step by step; what each of its outputs took is left in `measured`."""

    def __init__(self, cut: fx.GraphModule) -> None:
        super().__init__(cut)
        self.flops = FlopCounterMode(display=False)
        self.measured: dict[str, tuple[tuple[int, ...], int, int]] = {}
        *_, output = cut.graph.nodes
        self._outputs = {node: name for name, node in output.args[0].items()}
        self._used: set[nn.Parameter] = set()

    def run_node(self, n: fx.Node) -> Any:
        """Run one step, and take down what led there if it is an output."""
        result = super().run_node(n)
        if n.op == "call_module":
            self._used.update(self.fetch_attr(str(n.target)).parameters())
        elif n.op == "get_attr" and isinstance(result, nn.Parameter):
            self._used.add(result)
        if name := self._outputs.get(n):
            parameters = sum(parameter.numel() for parameter in self._used)
            # Additions are counted, too.
            self.measured[name] = tuple(result.shape[1:]), parameters, self.flops.get_total_flops() // 2
        return result
