"""A fitted model as one graph of OpenVINO's, put together of its network's and the head's."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lightprobe.backbones import as_bytes, from_bytes, from_pixels, from_tensors, import_openvino
from lightprobe.export.heads import Model
from lightprobe.export.names import INPUT, KEY, OUTPUT, Info
from lightprobe.export.onnx_graph import head_to_onnx


def to_openvino(model: Model) -> Any:
    """Put a head behind a model's network, which an int8 one is as it was calibrated.

    Returns
    -------
    openvino.Model
        From pixels (n, 3, s, s), uint8, any n, to probabilities (n, c), float32.

    Raises
    ------
    OptionError
        If the model has a part that graphs cannot express.
    """
    openvino = import_openvino()
    (tap,) = model.tap_set.taps
    backbone = model.network.backbone
    if model.network.precision == "int8":
        network = from_tensors(model.network.engine_state, [tap])
    else:
        cuts = {tap.cut: backbone.find_cut(tap.cut)}
        network = from_pixels(backbone.graph([tap.cut]), [tap], cuts, backbone.preprocessing)
    pixels = _channels_first(network, backbone.preprocessing.crop)
    head = head_to_onnx(model, backbone.feature_sizes([tap])[tap])
    behind = from_bytes({"onnx": as_bytes(head.SerializeToString())})
    (features,) = behind.get_parameters()
    for target in features.output(0).get_target_inputs():
        target.replace_source_output(network.outputs[0].get_node().input_value(0))
    joined = openvino.Model(behind.get_results(), [pixels], "lightprobe")
    joined.inputs[0].set_names({INPUT})
    joined.outputs[0].set_names({OUTPUT})
    return joined


def save_openvino(model: Any, info: Info, path: Path) -> None:
    """Write a graph, and what is to be known of it, into a file and the .bin beside it."""
    model.set_rt_info(json.dumps(info), KEY)
    import_openvino().save_model(model, path, compress_to_fp16=False)


def _channels_first(network: Any, side: int) -> Any:
    """Let a network take pixels (n, 3, side, side) instead of (n, side, side, 3), and return that input."""
    openvino = import_openvino()
    ops = openvino.opset13
    pixels = ops.parameter([-1, 3, side, side], openvino.Type.u8, name=INPUT)
    turned = ops.transpose(pixels, np.array([0, 2, 3, 1]))
    (given,) = network.get_parameters()
    for target in given.output(0).get_target_inputs():
        target.replace_source_output(turned.output(0))
    return pixels
