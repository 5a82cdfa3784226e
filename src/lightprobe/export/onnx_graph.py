"""A fitted model as one ONNX graph, put together of its network's and the head's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, version_converter

from lightprobe.backbones import Backbone, Cut, GraphBackbone, Pool, Preprocessing, Tap, cut_onnx
from lightprobe.errors import OptionError, one_line
from lightprobe.export.heads import Model, head_of
from lightprobe.export.names import INPUT, KEY, OUTPUT, Info
from lightprobe.export.operations import OLDEST, Operations

OPSET: Final = 17
# ONNX's own format from which on constants need not be inputs, too.
_IR_VERSION: Final = 8
_PREFIX: Final = "network/"


def to_onnx(model: Model) -> onnx.ModelProto:
    """Put scaling before a model's network, and pooling and head behind it.

    Returns
    -------
    ModelProto
        From pixels (n, 3, s, s), uint8, any n, to probabilities (n, c), float32.

    Raises
    ------
    OptionError
        If the network is no ONNX graph, or the model has a part that graphs cannot express.
    """
    if model.network.precision == "int8":
        raise OptionError(
            "This model sees through an int8 network of OpenVINO's, which other formats cannot hold: "
            "use `format='openvino'`, or export a model that was trained with `precision='fp32'`."
        )
    (tap,) = model.tap_set.taps
    backbone = model.network.backbone
    preprocessing, cut = backbone.preprocessing, backbone.find_cut(tap.cut)
    network = _network(backbone, tap)
    (images,) = _inputs(network.graph)
    (layer,) = network.graph.output
    ops = Operations(_opset(network))
    pixels = helper.make_tensor_value_info(
        INPUT, TensorProto.UINT8, ["n", 3, preprocessing.crop, preprocessing.crop]
    )
    _scaled(ops, images, preprocessing)
    before = len(ops.nodes)
    features = pooled(ops, _as_float(ops, layer.name, layer), cut, tap.pool)
    ops("Identity", head_of(ops, features, model), output=OUTPUT)
    graph = helper.make_graph(
        [*ops.nodes[:before], *network.graph.node, *ops.nodes[before:]],
        "lightprobe",
        [pixels],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", len(model.classes)])],
        [*network.graph.initializer, *ops.constants],
        sparse_initializer=network.graph.sparse_initializer,
    )
    return helper.make_model(
        graph,
        opset_imports=network.opset_import,
        functions=network.functions,
        ir_version=max(network.ir_version, _IR_VERSION),
    )


def head_to_onnx(model: Model, n_features: int) -> onnx.ModelProto:
    """Write the head alone: from features (n, m), float32, to probabilities (n, c), float32."""
    ops = Operations(OPSET)
    ops("Identity", head_of(ops, "features", model), output=OUTPUT)
    graph = helper.make_graph(
        ops.nodes,
        "lightprobe",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", n_features])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", len(model.classes)])],
        ops.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)


def save_onnx(model: onnx.ModelProto, info: Info, path: Path) -> None:
    """Write a graph, and what is to be known of it, into a file."""
    helper.set_model_props(model, {KEY: json.dumps(info)})
    onnx.save(model, path)


def pooled(ops: Operations, layer: str, cut: Cut, pool: Pool) -> str:
    """Pool a layer's output (n, ...), float32, to feature vectors (n, d), as `Tap` says."""
    if pool == "flatten":
        return ops("Flatten", layer, axis=1)
    if cut.layout != "tokens":
        axes = [2, 3] if cut.layout == "nchw" else [1, 2]
        return ops.reduce("ReduceMean", layer, axes, keep=False)
    if not cut.prefix_tokens:
        return ops.reduce("ReduceMean", layer, [1], keep=False)
    ends = [ops.constant([end], np.int64) for end in (cut.prefix_tokens, 2**31 - 1, 1)]
    patches = ops.reduce("ReduceMean", ops("Slice", layer, *ends), [1], keep=False)
    first = ops("Gather", layer, ops.constant(0, np.int64), axis=1)
    return ops("Concat", first, patches, axis=1)


def _network(backbone: Backbone, tap: Tap) -> onnx.ModelProto:
    """Return a network's own ONNX graph, ending where it is tapped, its names told from any others."""
    if not isinstance(backbone, GraphBackbone):
        from lightprobe.backbones import TorchBackbone

        assert isinstance(backbone, TorchBackbone)
        backbone = backbone.as_graph()
    if "onnx" not in backbone.parts:
        raise OptionError(
            f"The network {backbone.name} is in OpenVINO's own format, which cannot become ONNX: "
            "use `format='openvino'`."
        )
    content = cut_onnx(backbone.parts["onnx"], [backbone.tensors[tap.cut]])
    network = onnx.load_model_from_string(content.tobytes())
    if _opset(network) < OLDEST:
        try:
            network = version_converter.convert_version(network, OPSET)
        except Exception as error:  # onnx raises whatever it likes at a graph
            raise OptionError(
                f"The network {backbone.name} is of ONNX's operator set {_opset(network)}, which cannot be "
                f"brought to {OPSET} ({one_line(error)}): use `format='openvino'`."
            ) from error
    del network.graph.value_info[:]  # which may say how many images it was made with
    return compose.add_prefix(network, _PREFIX)


def _opset(network: onnx.ModelProto) -> int:
    return max(int(entry.version) for entry in network.opset_import if entry.domain in ("", "ai.onnx"))


def _inputs(graph: onnx.GraphProto) -> Sequence[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def _scaled(ops: Operations, images: onnx.ValueInfoProto, preprocessing: Preprocessing) -> None:
    """Write x = (pixels / 255 − mean) / std, in the type and the layout of the network's input."""
    mean, std = (
        np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std)
    )
    scaled = ops("Mul", ops.cast(INPUT, np.float32), ops.constant(1 / (255 * std)))
    x = ops("Add", scaled, ops.constant(-mean / std))
    kind = images.type.tensor_type
    if kind.shape.dim[1].dim_value != 3:
        x = ops("Transpose", x, perm=[0, 2, 3, 1])
    ops("Cast", x, to=kind.elem_type, output=images.name)


def _as_float(ops: Operations, name: str, value: Any) -> str:
    return name if value.type.tensor_type.elem_type == TensorProto.FLOAT else ops.cast(name, np.float32)
