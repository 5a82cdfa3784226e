"""Graphs put together: pixels before a network, pooling behind it, layers named as outputs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lightprobe.backbones.graphs.openvino import import_openvino
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.taps import Cut, Pool, Tap


def end_at(model: Any, tensors: Sequence[str]) -> Any:
    """Let a graph end at these of its operations or tensors, in their order."""
    openvino = import_openvino()
    outputs = {}
    for op in model.get_ordered_ops():
        if op.get_type_name() != "Result" and op.get_output_size():
            outputs[op.get_friendly_name()] = op.output(0)
            outputs |= dict.fromkeys(op.output(0).get_names(), op.output(0))
    results = [openvino.opset13.result(outputs[tensor]) for tensor in tensors]
    return openvino.Model(results, model.get_parameters(), "lightprobe")


def output_name(tap: Tap) -> str:
    """Name of the output that holds a tap's features."""
    return f"{tap.cut}:{tap.pool}"


def from_pixels(
    network: Any, taps: Iterable[Tap], cuts: Mapping[str, Cut], preprocessing: Preprocessing
) -> Any:
    """Put scaling before a network and pooling behind its layers.

    x = (pixels / 255 − mean) / std, then features[tap] = pool(layer(x)), float32 (n, d).

    Parameters
    ----------
    network : openvino.Model
        From images (n, 3, s, s) to one output a layer of `cuts`, in their order; it is used up.
    taps : iterable of Tap
    cuts : mapping of str to Cut
        By name.
    preprocessing : Preprocessing

    Returns
    -------
    openvino.Model
        From pixels (n, s, s, 3), uint8, any n, to features, one output a tap, named by `output_name`.
    """
    openvino, side = import_openvino(), preprocessing.crop
    ops = openvino.opset13
    pixels = ops.parameter([-1, side, side, 3], openvino.Type.u8, name="pixels")
    pixels.output(0).set_names({"pixels"})
    images = ops.transpose(ops.convert(pixels, "f32"), np.array([0, 3, 1, 2]))
    mean, std = (
        np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std)
    )
    images = ops.add(ops.multiply(images, 1 / (255 * std)), -mean / std)
    (parameter,) = network.get_parameters()
    for target in parameter.output(0).get_target_inputs():
        target.replace_source_output(images.output(0))
    ends = {cut: output.get_node().input_value(0) for cut, output in zip(cuts, network.outputs, strict=True)}
    outputs = {
        output_name(tap): _pooled(ops, ends[tap.cut], cuts[tap.cut], tap.pool).output(0) for tap in taps
    }
    whole = openvino.Model([ops.result(output) for output in outputs.values()], [pixels], "lightprobe")
    for output, name in zip(whole.outputs, outputs, strict=True):
        output.add_names({name})
    return whole


def _pooled(ops: Any, output: Any, cut: Cut, pool: Pool) -> Any:
    """Pool a layer's output (n, ...) to feature vectors (n, d)."""
    output = ops.convert(output, "f32") if output.get_element_type().to_string() != "f32" else output
    if pool == "flatten":
        return ops.reshape(output, np.array([0, -1]), special_zero=True)
    if cut.layout == "nchw":
        return ops.reduce_mean(output, np.array([2, 3]))
    if cut.layout == "nhwc":
        return ops.reduce_mean(output, np.array([1, 2]))
    if not cut.prefix_tokens:
        return ops.reduce_mean(output, np.array([1]))
    start, stop, step, axis = (np.array([n]) for n in (cut.prefix_tokens, 2**31 - 1, 1, 1))
    patches = ops.reduce_mean(ops.slice(output, start, stop, step, axis), np.array([1]))
    first = ops.gather(output, np.array(0), np.array(1))
    return ops.concat([first, patches], 1)
