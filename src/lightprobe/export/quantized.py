"""An int8 network and a head behind it, as one OpenVINO graph."""

from typing import Any

import torch

from lightprobe.backbones import from_tensors, import_openvino
from lightprobe.export.formats import INPUT, OUTPUT, to_openvino
from lightprobe.export.graph import Model, head_of


def quantized_graph(model: Model) -> Any:
    """Join the network as it was calibrated, which is OpenVINO's already, and the head.

    Returns
    -------
    openvino.Model
        From pixels (n, 3, s, s), uint8, to probabilities (n, c), float32.
    """
    (tap,) = model.tap_set.taps
    network = from_tensors(model.network.engine_state, [tap])
    n_features = model.network.backbone.feature_sizes([tap])[tap]
    head = to_openvino(head_of(model).eval().requires_grad_(False), torch.zeros(2, n_features))
    head.inputs[0].replace(network.outputs[0].get_node().input_value(0))
    joined = import_openvino().Model(head.get_results(), network.get_parameters(), "lightprobe")
    joined.inputs[0].set_names({INPUT})
    joined.outputs[0].set_names({OUTPUT})
    return joined
