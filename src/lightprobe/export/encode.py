"""From features to what a kernel takes, in ONNX operations.

Features are rounded to float16, as they are on their way through the cache: what is exported sees what its
original saw. That is done by arithmetic, because OpenVINO holds float16 in single precision on CPUs and drops
casts there and back.
"""

from typing import Final

import numpy as np

from lightprobe.errors import OptionError
from lightprobe.export.operations import Operations

FLOAT16_MAX: Final = 65_504.0
# The exponents of what float16 holds: 2^-24 is its smallest number, and 2^39 times that is above its largest.
SMALLEST: Final = -24
EXPONENT_BITS: Final = (32, 16, 8, 4, 2, 1)
FLOAT32_BIAS: Final = 127
OF_LENGTH_ONE: Final = ("l2", "split", "offset")
TINY: Final = 1e-30  # instead of a zero that would be divided by


def as_half(ops: Operations, x: str) -> str:
    """Round numbers up to 65,504 to the nearest that float16 holds.

    c − (c − x) with c = (2^13 + 1)x keeps 11 of the 24 digits (Dekker 1971, "A floating-point technique for
    extending the available precision"); below 2^-14, float16 has multiples of 2^-24.
    """
    carrier = ops("Mul", x, ops.constant(2.0**13 + 1))
    normal = ops("Sub", carrier, ops("Sub", carrier, x))
    steps = ops("Round", ops("Mul", x, ops.constant(2.0**-SMALLEST)))
    small = ops("Less", ops("Abs", x), ops.constant(2.0**-14))
    return ops("Where", small, ops("Mul", steps, ops.constant(2.0**SMALLEST)), normal)


def as_cached(ops: Operations, features: str) -> str:
    """Round features to float16, as the cache holds them."""
    return as_half(ops, ops("Clip", features, ops.constant(-FLOAT16_MAX), ops.constant(FLOAT16_MAX)))


def encoded(ops: Operations, features: str, encoding: str) -> str:
    """Round features (n, m) to float16, and encode them as the kernel takes them, float32.

    Parameters
    ----------
    encoding : {"none", "l2", "split", "offset", "sign", "float32"}

    Raises
    ------
    OptionError
        If a graph has no operation for the encoding.
    """
    if encoding not in ("none", *OF_LENGTH_ONE, "sign", "float32"):
        raise OptionError(
            f"Graphs have no operation for the encoding {encoding}: "
            "export a model with another one (none, l2, split, offset, sign or float32)."
        )
    x = as_cached(ops, features)
    if encoding == "sign":
        return ops.cast(ops("Greater", x, ops.constant(0.0)), np.float32)
    if encoding == "float32":
        return float32_bits(ops, x, features)
    if encoding in OF_LENGTH_ONE:
        largest = ops.reduce("ReduceMax", ops("Abs", x), [1], keep=True)
        x = ops("Div", x, ops("Max", largest, ops.constant(TINY)))  # so that squares do not overflow
        length = ops("Sqrt", ops.reduce("ReduceSum", ops("Mul", x, x), [1], keep=True))
        x = as_half(ops, ops("Div", x, ops("Max", length, ops.constant(TINY))))
    if encoding == "split":
        return ops("Concat", ops("Relu", x), ops("Relu", ops("Neg", x)), axis=1)
    if encoding == "offset":
        return ops("Pad", x, ops.constant([0, 0, 0, 1], np.int64), ops.constant(1.0))
    return x


def float32_bits(ops: Operations, x: str, features: str) -> str:
    """Sign and exponent of the single format, (n, 9m), by arithmetic: graphs cannot take a number's bytes.

    Parameters
    ----------
    x : str
        Numbers (n, m), float32, that float16 holds.
    features : str
        What they were before they were rounded, which takes the sign off a zero in some programs.
    """
    # |x| = 2^e (1 + f): e in binary, the highest digit first; everything here is a power of two, so exact.
    rest = ops("Mul", ops("Abs", x), ops.constant(2.0**-SMALLEST))
    seen = ops.cast(ops("GreaterOrEqual", rest, ops.constant(1.0)), np.float32)
    exponent = ops("Mul", seen, ops.constant(FLOAT32_BIAS + SMALLEST))  # zero has the exponent 0
    for step in EXPONENT_BITS:
        above = ops("GreaterOrEqual", rest, ops.constant(2.0**step))
        exponent = ops("Add", exponent, ops("Mul", ops.cast(above, np.float32), ops.constant(float(step))))
        rest = ops("Where", above, ops("Mul", rest, ops.constant(2.0**-step)), rest)
    halves = [ops("Floor", ops("Mul", exponent, ops.constant(2.0**-place))) for place in range(9)]
    digits = [
        ops("Sub", halves[place], ops("Mul", halves[place + 1], ops.constant(2.0)))
        for place in reversed(range(8))
    ]
    # The inverse tells −0 from 0.
    negative = ops("Less", ops("Div", ops.constant(1.0), features), ops.constant(0.0))
    last = ops.constant([2], np.int64)
    bits = [ops("Unsqueeze", bit, last) for bit in (ops.cast(negative, np.float32), *digits)]
    return ops("Flatten", ops("Concat", *bits, axis=2), axis=1)
