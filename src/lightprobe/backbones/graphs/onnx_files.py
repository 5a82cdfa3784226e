"""ONNX graphs as bytes: cut, and with all their weights inside.

The package `onnx` is imported only where a graph is changed: OpenVINO reads ONNX by itself.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def cut_onnx(content: Bytes, tensors: Sequence[str]) -> Bytes:
    """Keep of a graph what leads from its inputs to these tensors, which become its outputs."""
    import onnx
    from onnx.utils import Extractor

    model = onnx.load_model_from_string(content.tobytes())
    inputs = [value.name for value in model.graph.input if value.name not in _initialisers(model)]
    known = {value.name for value in (*model.graph.value_info, *model.graph.output)}
    for name in tensors:
        if name not in known:  # which the extractor asks for, and an exporter need not have written
            model.graph.value_info.append(
                onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            )
    cut = Extractor(model).extract_model(inputs, list(tensors))
    cut.metadata_props.extend(model.metadata_props)
    return as_bytes(cut.SerializeToString())


def whole_onnx(path: Path) -> Bytes:
    """Read a graph with the weights that lie in files beside it; errors are those of `onnx` and of files."""
    import onnx

    return as_bytes(onnx.load_model(path).SerializeToString())


def as_bytes(content: bytes) -> Bytes:
    """Bytes as an array."""
    return np.frombuffer(content, np.uint8)


def _initialisers(model: Any) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer}
