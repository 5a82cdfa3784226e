"""A fitted model as one ONNX graph, put together of its networks' and the head's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, version_converter

from lightprobe.backbones import Backbone, Cut, GraphBackbone, Pool, Preprocessing, Tap, cut_onnx
from lightprobe.errors import OptionError, one_line
from lightprobe.export.encode import encoded
from lightprobe.export.heads import Model, head_of
from lightprobe.export.names import INPUT, KEY, OUTPUT, Info
from lightprobe.export.operations import OLDEST, Operations
from lightprobe.export.preparing import prepared
from lightprobe.features import places_by_network

OPSET: Final = 17
# ONNX's own format from which on constants need not be inputs, too.
_IR_VERSION: Final = 8
_PREFIX: Final = "network/"


def to_onnx(model: Model) -> onnx.ModelProto:
    """Put resizing and scaling before a model's networks, and pooling and head behind them.

    Returns
    -------
    ModelProto
        From photos (n, h, w, 3), uint8, any n, h and w, to probabilities (n, c), float32.

    Raises
    ------
    OptionError
        If a network is no ONNX graph, or the model has a part that graphs cannot express.
    """
    if any(network.precision == "int8" for network in model.networks):
        raise OptionError(
            "This model sees through an int8 network of OpenVINO's, which other formats cannot hold: "
            "use `format='openvino'`, or export a model that was trained with `precision='fp32'`."
        )
    backbones, taps = [network.backbone for network in model.networks], model.tap_set.taps
    looks = places_by_network(backbones)
    networks = _of_one_opset([_network(backbones[first], taps[first]) for first, *_ in looks])
    networks = [
        compose.add_prefix(network, _PREFIX if number == 0 else f"{number + 1}.{_PREFIX}")
        for number, network in enumerate(networks)
    ]
    ops = Operations(_opset(networks[0]))
    seen: dict[int, str] = {}
    for places, network in zip(looks, networks, strict=True):
        backbone, tap = backbones[places[0]], taps[places[0]]
        shown = [prepared(ops, INPUT, backbones[place].preprocessing) for place in places]
        (images,) = _inputs(network.graph)
        (layer,) = network.graph.output
        batch = shown[0] if len(shown) == 1 else ops("Concat", *shown, axis=0)
        _scaled(ops, batch, images, backbone.preprocessing)
        ops.nodes.extend(network.graph.node)
        features = pooled(ops, _as_float(ops, layer.name, layer), backbone.find_cut(tap.cut), tap.pool)
        apart = [features] if len(places) == 1 else ops.split(features, len(places))
        seen |= dict(zip(places, apart, strict=True))
    ops("Identity", head_of(ops, joined(ops, [seen[place] for place in sorted(seen)]), model), output=OUTPUT)
    graph = helper.make_graph(
        ops.nodes,
        "lightprobe",
        [_photos()],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", len(model.classes)])],
        [*(tensor for network in networks for tensor in network.graph.initializer), *ops.constants],
        sparse_initializer=[one for network in networks for one in network.graph.sparse_initializer],
    )
    imports = {entry.domain: entry for network in networks for entry in network.opset_import}
    return helper.make_model(
        graph,
        opset_imports=list(imports.values()),
        functions=[function for network in networks for function in network.functions],
        ir_version=max(_IR_VERSION, *(network.ir_version for network in networks)),
    )


def head_to_onnx(model: Model, sizes: Sequence[int]) -> onnx.ModelProto:
    """Write the head alone: from features (n, m_i) of networks and looks to probabilities, all float32."""
    ops, names = Operations(OPSET), [f"features {place}" for place in range(len(sizes))]
    ops("Identity", head_of(ops, joined(ops, names), model), output=OUTPUT)
    graph = helper.make_graph(
        ops.nodes,
        "lightprobe",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
            for name, size in zip(names, sizes, strict=True)
        ],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", len(model.classes)])],
        ops.constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)


def preparation_to_onnx(networks: Sequence[Sequence[Preprocessing]]) -> onnx.ModelProto:
    """Write the way to the pixels of networks, each of which looks in some ways at every photo.

    Returns
    -------
    ModelProto
        From photos (n, h, w, 3), uint8, to squares (looks · n, s, s, 3), uint8, one output a network.
    """
    ops = Operations(OPSET)
    outputs = []
    for number, ways in enumerate(networks):
        squares = [ops.cast(prepared(ops, INPUT, way), np.uint8) for way in ways]
        batch = squares[0] if len(squares) == 1 else ops("Concat", *squares, axis=0)
        name = ops("Transpose", batch, perm=[0, 2, 3, 1], output=f"squares {number}")
        shape = [None, ways[0].crop, ways[0].crop, 3]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.UINT8, shape))
    graph = helper.make_graph(ops.nodes, "lightprobe", [_photos()], outputs, ops.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)


def joined(ops: Operations, features: Sequence[str]) -> str:
    """Put features (n, m_i) of several networks and looks side by side, as `side_by_side` does."""
    if len(features) == 1:
        return features[0]
    return ops("Concat", *(encoded(ops, x, "l2") for x in features), axis=1)


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


def _photos() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", "height", "width", 3])


def _network(backbone: Backbone, tap: Tap) -> onnx.ModelProto:
    """Return a network's own ONNX graph, ending where it is tapped."""
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
        network = _brought_to(network, OPSET)
    del network.graph.value_info[:]  # which may say how many images it was made with
    return network


def _of_one_opset(networks: Sequence[onnx.ModelProto]) -> list[onnx.ModelProto]:
    """Bring graphs to the latest operator set among them, as one file has only one."""
    latest = max(map(_opset, networks))
    return [one if _opset(one) == latest else _brought_to(one, latest) for one in networks]


def _brought_to(network: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    try:
        return version_converter.convert_version(network, opset)
    except Exception as error:  # onnx raises whatever it likes at a graph
        raise OptionError(
            f"A network of this model is of ONNX's operator set {_opset(network)}, which cannot be "
            f"brought to {opset} ({one_line(error)}): use `format='openvino'`."
        ) from error


def _opset(network: onnx.ModelProto) -> int:
    return max(int(entry.version) for entry in network.opset_import if entry.domain in ("", "ai.onnx"))


def _inputs(graph: onnx.GraphProto) -> Sequence[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def _scaled(ops: Operations, pixels: str, images: onnx.ValueInfoProto, preprocessing: Preprocessing) -> None:
    """Write x = (pixels / 255 − mean) / std, in the type and the layout of the network's input."""
    mean, std = (
        np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std)
    )
    scaled = ops("Mul", pixels, ops.constant(1 / (255 * std)))
    x = ops("Add", scaled, ops.constant(-mean / std))
    kind = images.type.tensor_type
    if kind.shape.dim[1].dim_value != 3:
        x = ops("Transpose", x, perm=[0, 2, 3, 1])
    ops("Cast", x, to=kind.elem_type, output=images.name)


def _as_float(ops: Operations, name: str, value: Any) -> str:
    return name if value.type.tensor_type.elem_type == TensorProto.FLOAT else ops.cast(name, np.float32)
