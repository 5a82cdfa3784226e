"""A network of a few thousand random weights, in an ONNX file, for tests whose network is not the point."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

CHANNELS = (3, 8, 16, 24)
LAYERS = ("block1", "block2", "block3")


def toy_network(path: Path, *, opset: int = 17, image_size: int = 32, seed: int = 0) -> str:
    """Write the network to `path`, which ends in .onnx, and return it as a backbone's name.

    Three blocks of convolution 3 × 3, stride 2, and ReLU: from images of any size, 32 pixels unless told
    otherwise, to 24 channels at an eighth of their side. Another seed is another network.
    """
    rng = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    last = "images"
    for layer, n_in, n_out in zip(LAYERS, CHANNELS, CHANNELS[1:], strict=False):
        kernel = rng.normal(0, np.sqrt(2 / (9 * n_in)), (n_out, n_in, 3, 3)).astype(np.float32)
        bias = rng.normal(0, 0.1, n_out).astype(np.float32)
        names = [f"{layer}.weight", f"{layer}.bias"]
        weights += map(numpy_helper.from_array, (kernel, bias), names)
        nodes += [
            helper.make_node("Conv", [last, *names], [f"{layer}.conv"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"{layer}.conv"], [layer]),
        ]
        last = layer
    images = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"])
    end = helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, ["n", CHANNELS[-1], None, None])
    graph = helper.make_graph(nodes, "toy", [images], [end], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    facts = {
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "crop": image_size,
        "resize": image_size,
        "layers": [{"name": layer, "output": layer} for layer in LAYERS],
    }
    helper.set_model_props(model, {"lightprobe": json.dumps(facts)})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return str(path)
