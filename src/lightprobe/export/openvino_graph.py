"""A fitted model as one graph of OpenVINO's, put together of its networks' and the head's."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lightprobe.backbones import Tap, as_bytes, from_bytes, from_pixels, from_tensors, import_openvino
from lightprobe.export.heads import Model
from lightprobe.export.names import KEY, OUTPUT, Info, input_names
from lightprobe.export.onnx_graph import head_to_onnx
from lightprobe.features import places_by_network
from lightprobe.photo_model import Network


def to_openvino(model: Model) -> Any:
    """Put a head behind a model's networks.

    Returns
    -------
    openvino.Model
        From pixels (n, 3, s, s), uint8, any n, one input a network and look (see `input_names`), to
        probabilities (n, c), float32.

    Raises
    ------
    OptionError
        If the model has a part that graphs cannot express.
    """
    openvino = import_openvino()
    backbones, taps = [network.backbone for network in model.networks], model.tap_set.taps
    sizes = [backbone.feature_sizes([tap])[tap] for backbone, tap in zip(backbones, taps, strict=True)]
    head = head_to_onnx(model, sizes)
    behind = from_bytes({"onnx": as_bytes(head.SerializeToString())})
    wanted = {parameter.get_friendly_name(): parameter for parameter in behind.get_parameters()}
    inputs: dict[int, Any] = {}
    for places in places_by_network(backbones):
        network = _graph(model.networks[places[0]], taps[places[0]])
        side = backbones[places[0]].preprocessing.crop
        inputs |= dict(zip(places, _channels_first(network, side, len(places)), strict=True))
        features = network.outputs[0].get_node().input_value(0)
        apart = [features] if len(places) == 1 else openvino.opset13.split(features, 0, len(places)).outputs()
        for place, output in zip(places, apart, strict=True):
            for target in wanted[f"features {place}"].output(0).get_target_inputs():
                target.replace_source_output(output)
    joined = openvino.Model(behind.get_results(), [inputs[place] for place in sorted(inputs)], "lightprobe")
    for given, name in zip(joined.inputs, input_names(len(inputs)), strict=True):
        given.set_names({name})
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


def _channels_first(network: Any, side: int, n_looks: int) -> list[Any]:
    """Let a network take pixels (n, 3, side, side) of each look instead of (n, side, side, 3) of one.

    The looks go through it one after the other, as one batch; the new inputs are returned.
    """
    openvino = import_openvino()
    ops = openvino.opset13
    pixels = [ops.parameter([-1, 3, side, side], openvino.Type.u8) for _ in range(n_looks)]
    batch = pixels[0] if n_looks == 1 else ops.concat(pixels, 0)
    turned = ops.transpose(batch, np.array([0, 2, 3, 1]))
    (given,) = network.get_parameters()
    for target in given.output(0).get_target_inputs():
        target.replace_source_output(turned.output(0))
    return pixels
