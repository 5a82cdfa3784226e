"""From photos of any size to the square of pixels that a network expects, as operations of a graph.

A_ij ∝ f((j + ½ − (i + ½) s) / max(s, 1)), rows summing to one; s: pixels given a pixel made, f: the filter.
Resizing is linear along each side, so it is a product with this matrix, which the graph makes of the photo's
size; a crop is some of its rows. Runtimes differ in ONNX's own operation for resizing, and not in products.
"""

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Preprocessing
from lightprobe.export.operations import Operations


def prepared(ops: Operations, pixels: str, preprocessing: Preprocessing) -> str:
    """Resize, crop and mirror photos, rounding after each direction, as `Preprocessing.prepare` does.

    Parameters
    ----------
    ops : Operations
    pixels : str
        Photos (n, height, width, 3), uint8, of any one size.
    preprocessing : Preprocessing

    Returns
    -------
    str
        Squares (n, 3, crop, crop), float32, whole numbers from 0 to 255.
    """
    size = ops("Shape", pixels)
    height, width = (ops("Gather", size, ops.constant(axis, np.int64)) for axis in (1, 2))
    x = ops.cast(ops("Transpose", pixels, perm=[0, 3, 1, 2]), np.float32)
    down = np.arange(preprocessing.crop)
    across = down[::-1] if preprocessing.mirror else down
    x = _whole(ops, ops("MatMul", _resizing(ops, height, width, down, preprocessing), x))
    turned = ops("Transpose", _resizing(ops, width, height, across, preprocessing), perm=[1, 0])
    return _whole(ops, ops("MatMul", x, turned))


def _resizing(
    ops: Operations, side: str, other: str, places: NDArray[np.int64], preprocessing: Preprocessing
) -> str:
    """Write the matrix (crop, side) that resizes a side of a photo to the places (crop,) of the square."""
    crop, rows = preprocessing.crop, ops.constant(places[:, None])
    given = ops.cast(side, np.float32)
    if preprocessing.fit == "squash":
        made = ops.constant(crop)
    else:
        # Whole numbers: of a quotient of floats, the next one below may be taken.
        enlarged = ops("Mul", side, ops.constant(preprocessing.resize, np.int64))
        made = ops.cast(ops("Div", enlarged, ops("Min", side, other)), np.float32)
        half = ops("Mul", ops("Sub", made, ops.constant(crop)), ops.constant(0.5))
        rows = ops("Add", rows, ops("Round", half))
    one, half_a_pixel = ops.constant(1), ops.constant(0.5)
    scale = ops("Div", given, made)
    centres = ops("Mul", ops("Add", rows, half_a_pixel), scale)
    pixels = ops.cast(ops("Range", ops.constant(0, np.int64), side, ops.constant(1, np.int64)), np.float32)
    distance = ops("Abs", ops("Sub", ops("Add", pixels, half_a_pixel), centres))
    x = ops("Div", distance, ops("Max", scale, one))
    weights = _triangle(ops, x) if preprocessing.interpolation == "bilinear" else _cubic(ops, x)
    return ops("Div", weights, ops.reduce("ReduceSum", weights, [1], keep=True))


def _triangle(ops: Operations, x: str) -> str:
    return ops("Relu", ops("Sub", ops.constant(1), x))


def _cubic(ops: Operations, x: str) -> str:
    """Keys' cubic with a = −1/2, of distances x (Keys 1981, "Cubic convolution interpolation")."""
    near = _polynomial(ops, x, (1.5, -2.5, 0.0, 1.0))
    far = _polynomial(ops, ops("Min", x, ops.constant(2)), (-0.5, 2.5, -4.0, 2.0))
    return ops("Where", ops("Less", x, ops.constant(1)), near, far)


def _polynomial(ops: Operations, x: str, coefficients: tuple[float, ...]) -> str:
    """Evaluate by Horner's rule, the highest power first."""
    value = ops.constant(coefficients[0])
    for coefficient in coefficients[1:]:
        value = ops("Add", ops("Mul", value, x), ops.constant(coefficient))
    return value


def _whole(ops: Operations, x: str) -> str:
    """Round to pixels, halves up."""
    rounded = ops("Floor", ops("Add", x, ops.constant(0.5)))
    return ops("Clip", rounded, ops.constant(0), ops.constant(255))
