"""ONNX operations, written one after the other."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from onnx import NodeProto, TensorProto, helper, numpy_helper

# The first operator set whose operations are all that is written here; the head's are the same in later ones.
OLDEST: Final = 13
_COUNTS_OUTPUTS: Final = 18  # from here on Split is told how many it has
_AXES_ARE_INPUTS: Final = 18  # for reductions other than sums, which have them from 13 on


class Operations:
    """A part of an ONNX graph while it is written.

    Parameters
    ----------
    opset : int
        Version of ONNX's operator set, `OLDEST` or later.

    Attributes
    ----------
    nodes, constants : list
        What was written.
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def __call__(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Write one operation on tensors, and return the name of what it gives."""
        output = output or f"{kind} {len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, values: ArrayLike, dtype: DTypeLike = np.float32) -> str:
        """Store an array or a number, and return its name."""
        name = f"constant {len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, dtype, order="C"), name))
        return name

    def cast(self, x: str, dtype: DTypeLike) -> str:
        """Change the type."""
        return self("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Change the shape; 0 keeps an axis, −1 is what is left."""
        return self("Reshape", x, self.constant(shape, np.int64))

    def split(self, x: str, n: int) -> list[str]:
        """Part (n · k, ...) along the first axis into n tensors (k, ...)."""
        name = f"Split {len(self.nodes)}"
        outputs = [f"{name}:{place}" for place in range(n)]
        how: dict[str, Any] = {"axis": 0}
        if self.opset >= _COUNTS_OUTPUTS:
            how["num_outputs"] = n
        self.nodes.append(helper.make_node("Split", [x], outputs, name=name, **how))
        return outputs

    def reduce(self, kind: str, x: str, axes: Sequence[int], *, keep: bool) -> str:
        """Reduce over axes, which are kept with one entry each, or not."""
        if kind == "ReduceSum" or self.opset >= _AXES_ARE_INPUTS:
            return self(kind, x, self.constant(axes, np.int64), keepdims=int(keep))
        return self(kind, x, axes=list(axes), keepdims=int(keep))
