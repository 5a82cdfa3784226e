"""A fitted model as one graph of OpenVINO's, put together of its networks' and the head's."""

import json
from pathlib import Path
from typing import Any

import onnx

from lightprobe.backbones import Tap, as_bytes, from_bytes, from_pixels, from_tensors, import_openvino
from lightprobe.export.heads import Model
from lightprobe.export.names import KEY, OUTPUT, Info
from lightprobe.export.onnx_graph import head_to_onnx, preparation_to_onnx
from lightprobe.features import places_by_network
from lightprobe.photo_model import Network


def to_openvino(model: Model) -> Any:
    """Put resizing before a model's networks, and a head behind them.

    Returns
    -------
    openvino.Model
        From photos (n, h, w, 3), uint8, any n, h and w, to probabilities (n, c), float32.

    Raises
    ------
    OptionError
        If the model has a part that graphs cannot express.
    """
    openvino = import_openvino()
    backbones, taps = [network.backbone for network in model.networks], model.tap_set.taps
    sizes = [backbone.feature_sizes([tap])[tap] for backbone, tap in zip(backbones, taps, strict=True)]
    looks = places_by_network(backbones)
    before = _read(preparation_to_onnx([[backbones[place].preprocessing for place in one] for one in looks]))
    behind = _read(head_to_onnx(model, sizes))
    wanted = {parameter.get_friendly_name(): parameter for parameter in behind.get_parameters()}
    for places, squares in zip(looks, before.outputs, strict=True):
        network = _graph(model.networks[places[0]], taps[places[0]])
        (given,) = network.get_parameters()
        _feed(given, squares.get_node().input_value(0))
        features = network.outputs[0].get_node().input_value(0)
        apart = [features] if len(places) == 1 else openvino.opset13.split(features, 0, len(places)).outputs()
        for place, output in zip(places, apart, strict=True):
            _feed(wanted[f"features {place}"], output)
    joined = openvino.Model(behind.get_results(), before.get_parameters(), "lightprobe")
    joined.outputs[0].set_names({OUTPUT})
    return joined


def _graph(network: Network, tap: Tap) -> Any:
    """Return a network's graph from pixels (n, s, s, 3) to features; an int8 one is as it was calibrated."""
    if network.precision == "int8":
        return from_tensors(network.engine_state, [tap])
    backbone = network.backbone
    cuts = {tap.cut: backbone.find_cut(tap.cut)}
    return from_pixels(backbone.graph([tap.cut]), [tap], cuts, backbone.preprocessing)


def save_openvino(model: Any, info: Info, path: Path) -> None:
    """Write a graph, and what is to be known of it, into a file and the .bin beside it."""
    model.set_rt_info(json.dumps(info), KEY)
    import_openvino().save_model(model, path, compress_to_fp16=False)


def _read(model: onnx.ModelProto) -> Any:
    return from_bytes({"onnx": as_bytes(model.SerializeToString())})


def _feed(parameter: Any, output: Any) -> None:
    """Let what takes a graph's input take another graph's output."""
    for target in parameter.output(0).get_target_inputs():
        target.replace_source_output(output)
