"""Networks of torch's as ONNX graphs, whose weights keep their names."""

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from lightprobe.backbones.backbone import halved
from lightprobe.backbones.graphs import Bytes, as_bytes, compile_on_cpu, from_bytes
from lightprobe.errors import BackboneError, MissingExtraError, one_line

logger = logging.getLogger(__name__)

OPSET: Final = 17
AGREES: Final = 0.9999
_PREFIX: Final = "network."
_HALF: Final = "(half)"  # behind the names of float32 tensors that are stored in float16


class _Outputs(nn.Module):
    """A cut network whose outputs are a tuple, in the order of its cuts."""

    def __init__(self, network: nn.Module, cuts: Sequence[str]) -> None:
        super().__init__()
        self.network, self.cuts = network, tuple(cuts)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run it on images (n, 3, s, s)."""
        outputs = self.network(images)
        return tuple(outputs[cut] for cut in self.cuts)


def to_onnx(
    network: nn.Module, cuts: Sequence[str], side: int, name: str, metadata: Mapping[str, Any]
) -> Bytes:
    """Convert a cut network.

    Tracing with torch.jit comes first: on two cores it converts MobileNetV2 in a twentieth of the time that
    torch.export and OpenVINO's own converter take together. What it cannot take, torch.export may.

    Parameters
    ----------
    network : Module
        From normalised images (n, 3, side, side) to {cut: output}.
    metadata : mapping
        JSON values that the graph carries under `lightprobe`.

    Returns
    -------
    ndarray of uint8
        The graph: tensors named as the cuts, weights as in the network, in float16 where that loses nothing.

    Raises
    ------
    BackboneError
        torch cannot export the network.
    MissingExtraError
        Without `onnx`, or what torch.export needs beside it.
    """
    outputs = _Outputs(network, cuts).eval()
    example = torch.randn((2, 3, side, side), generator=torch.Generator().manual_seed(0))
    told = ""
    for convert in (_traced, _exported):
        try:
            content = _named(convert(outputs, example), cuts, metadata)
            cosine = _agreement(content, outputs, example, cuts)
        except ImportError as error:
            raise MissingExtraError(str(error.name), "torch", f"Converting {name}") from error
        except Exception as error:  # torch and OpenVINO raise whatever they like at a network
            told = one_line(error)
        else:
            if cosine > AGREES:
                return content
            told = f"its outputs agree with torch's by a cosine of {cosine:.4f} only"
        logger.debug("%s is not converted by %s: %s.", name, convert.__name__, told)
    raise BackboneError(f"{name} cannot be converted to a graph ({told}): use `engine='eager'`.")


def _agreement(content: Bytes, network: nn.Module, example: Tensor, cuts: Sequence[str]) -> float:
    """Return the least cosine between any output of a graph and of the network that it was made from."""
    model = from_bytes({"onnx": content})
    model.reshape([-1, *example.shape[1:]])
    run = compile_on_cpu(model, {"INFERENCE_PRECISION_HINT": "f32"})
    found = run([example.numpy()])
    with torch.inference_mode():
        wanted = network(example)
    pairs = [
        (torch.from_numpy(found[place]).flatten(), wanted[place].flatten()) for place in range(len(cuts))
    ]
    return min(float(torch.cosine_similarity(ours.double(), theirs.double(), 0)) for ours, theirs in pairs)


def _traced(network: nn.Module, example: Tensor) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), _slow_attention(), torch.no_grad():
        warnings.simplefilter("ignore")  # of its deprecation, and of every branch in a network's code
        torch.onnx.export(
            network,
            (example,),
            file,  # type: ignore[arg-type]  # the tracer writes to files in memory, too
            dynamo=False,
            opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            input_names=["images"],
            dynamic_axes={"images": {0: "n"}},
        )
    return file.getvalue()


def _exported(network: nn.Module, example: Tensor) -> bytes:
    batch = torch.export.Dim("n", min=1, max=65_536)
    with warnings.catch_warnings(), torch.no_grad(), _quiet():
        warnings.simplefilter("ignore")  # of the exporter's own internals
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["images"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            optimize=False,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


@contextlib.contextmanager
def _slow_attention() -> Iterator[None]:
    """Let torch take attention apart, which has no name in ONNX when it runs as one operation."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the exporter prints away from stdout."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _named(content: bytes, cuts: Sequence[str], metadata: Mapping[str, Any]) -> Bytes:
    """Give weights and outputs the network's own names, and halve what float16 holds as well."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_model_from_string(content)
    graph = model.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # Weights that are equal are stored once by the tracer, others being copies of them.
    nodes = []
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in weights and node.output[0].startswith(_PREFIX):
            weights[node.output[0]] = weights[node.input[0]]
        else:
            nodes.append(node)
    renamed = {name: name.removeprefix(_PREFIX) for name in weights}
    for value, cut in zip(graph.output, cuts, strict=True):
        if value.name in renamed:  # two layers have one output
            nodes.append(onnx.helper.make_node("Identity", [value.name], [cut]))
            value.name = cut
        renamed[value.name] = cut
    casts, stored = [], []
    for name, values in weights.items():
        plain = renamed[name]
        half = halved(values) if values.size > 1 else values
        if half is not values:
            casts.append(onnx.helper.make_node("Cast", [plain], [plain + _HALF], to=onnx.TensorProto.FLOAT))
            renamed[name] = plain + _HALF
        stored.append(numpy_helper.from_array(np.ascontiguousarray(half), plain))
    for node in nodes:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = renamed.get(name, name)
    for value in graph.output:
        value.name = renamed[value.name]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend([*casts, *nodes])
    graph.initializer.extend(stored)
    onnx.helper.set_model_props(model, {"lightprobe": json.dumps(metadata)})
    return as_bytes(model.SerializeToString())
