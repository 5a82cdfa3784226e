"""From features to probabilities in ONNX operations: the same arithmetic as the head's own.

    linear            W e(f) + b
    random features   W φ(e(f)) + b, φ(x) = |xR|²/√k
    exact, optical    Σ_i c_i (|x_i|²|x|² + (x_i·x)²) + b, the training features x_i inside the graph
    softmax           W f + b, of models that were trained by gradients

Inner products are float32 with everything behind them in float64, as in `optics`, so that what is exported
answers as its original does.
"""

from typing import Final

import numpy as np

from lightprobe.backprop import TrainedModel
from lightprobe.classifier import Fitted
from lightprobe.errors import OptionError
from lightprobe.export.encode import as_cached, encoded
from lightprobe.export.operations import Operations
from lightprobe.head import Exact, FittedHead, Linear, RandomFeatures
from lightprobe.optics import Layout, Projection, complex_gaussian, diagonal_bits, hadamard_matrix

Model = Fitted | TrainedModel

# What a file of one piece, as ONNX is, can hold: 2 GiB, less the network.
MAX_BYTES: Final = 3 * 2**29
_LARGEST_FACTOR: Final = 7  # of a Hadamard matrix: 128 × 128


def head_of(ops: Operations, features: str, model: Model) -> str:
    """Write what follows the network: features (n, m), float32, to probabilities (n, c), float32.

    Raises
    ------
    OptionError
        If the head has a part that graphs cannot express or one file cannot hold.
    """
    if isinstance(model, Fitted):
        return ridge_head(ops, features, model.choice.encode, model.head)
    scores = ops("MatMul", as_cached(ops, features), ops.constant(model.weight.T))
    return _softmax(ops, ops.cast(ops("Add", scores, ops.constant(model.bias)), np.float64))


def ridge_head(ops: Operations, features: str, encoding: str, head: FittedHead) -> str:
    """Write encoding, kernel and calibration: features (n, m) to probabilities (n, c)."""
    decision, x = head.decision, encoded(ops, features, encoding)
    match decision:
        case Exact():
            scores = exact_optical(ops, x, decision)
        case RandomFeatures(projection=random):
            project = structured if random.kind == "structured" else dense
            scores = _linear_map(ops, project(ops, x, random, decision.n_features), decision)
        case Linear():
            scores = _linear_map(ops, x, decision)
    scores = ops("Add", scores, ops.constant(decision.intercept, np.float64))
    if len(decision.intercept) == 1:
        scores = ops("Concat", ops("Neg", scores), scores, axis=1)
    calibration = head.calibration
    if calibration.floor is not None:
        shares = ops("Relu", ops("Add", scores, ops.constant([1.0], np.float64)))
        halves = ops("Mul", shares, ops.constant([0.5], np.float64))
        scores = ops("Log", ops("Add", halves, ops.constant([calibration.floor], np.float64)))
    return _softmax(ops, ops("Mul", scores, ops.constant([calibration.scale], np.float64)))


def _softmax(ops: Operations, scores: str) -> str:
    return ops.cast(ops("Softmax", scores, axis=1), np.float32)


def _linear_map(ops: Operations, x: str, decision: Linear | RandomFeatures) -> str:
    """Score (n, c) by a linear map, in float64, without the intercept."""
    return ops("MatMul", ops.cast(x, np.float64), ops.constant(decision.coef.T, np.float64))


def exact_optical(ops: Operations, x: str, decision: Exact) -> str:
    """Score (n, c) by the exact optical kernel, without the intercept.

    Training features that are bits or half floats are stored as such.

    Where float64 is computed in single precision, as OpenVINO does on CPUs, a sum over thousands of photos
    would lose digits. The coefficients sum to zero, so the kernel's mean can be taken off before, and rows in
    random order let the classes' shares cancel on the way.
    """
    mixed = np.random.default_rng(0).permutation(len(decision.rows))
    rows = decision.rows[mixed]
    _require_size(rows.nbytes, f"The training features of this model ({len(rows)} × {rows.shape[1]})")
    stored = ops("Transpose", ops.cast(ops.constant(rows, rows.dtype), np.float32), perm=[1, 0])
    products = ops.cast(ops("MatMul", x, stored), np.float64)
    lengths = ops.constant(np.square(rows, dtype=np.float64).sum(axis=1), np.float64)
    wide = ops.cast(x, np.float64)
    length = ops.reduce("ReduceSum", ops("Mul", wide, wide), [1], keep=True)
    kernel = ops("Add", ops("Mul", length, lengths), ops("Mul", products, products))
    centred = ops("Sub", kernel, ops.reduce("ReduceMean", kernel, [1], keep=True))
    return ops("MatMul", centred, ops.constant(decision.dual_coef[mixed], np.float64))


def structured(ops: Operations, x: str, random: Projection, m: int) -> str:
    """Project (n, m) to φ(x), (n, k), by Hadamard matrices and signs; see `lightprobe.optics.structured`."""
    k = random.n_components
    size, n_blocks, n_mixed, segments = Layout.of(m)
    length, stacks = n_blocks * size, -(-k // (n_mixed * size))
    bits = np.asarray(diagonal_bits(length, 2 + 2 * stacks, random.seed))

    def signed(z: str, diagonal: int, shape: tuple[int, ...]) -> str:
        signs = ((bits[diagonal // 8] >> diagonal % 8) & 1).astype(np.float32) * 2 - 1
        return ops("Mul", z, ops.constant(signs.reshape(shape)))

    blocks = (n_blocks, size)
    padded = ops("Pad", x, ops.constant([0, 0, 0, length - m], np.int64))
    w = walsh_hadamard(ops, ops.reshape(signed(padded, 0, (length,)), (-1, *blocks)), blocks)
    segment = np.arange(segments)
    source = (np.arange(n_blocks)[:, None] - segment) % n_blocks * segments + segment
    parts = ops.reshape(w, (-1, n_blocks * segments, size // segments))
    moved = ops.reshape(ops("Gather", parts, ops.constant(source.ravel(), np.int64), axis=1), (-1, *blocks))
    z = walsh_hadamard(ops, signed(moved, 1, blocks), blocks)
    across = ops.constant(np.asarray(hadamard_matrix(n_mixed))[:, :n_blocks])
    outputs = []
    for stack in range(stacks):
        planes = [
            walsh_hadamard(
                ops, ops("MatMul", across, signed(z, 2 + 2 * stack + plane, blocks)), (n_mixed, size)
            )
            for plane in range(2)
        ]
        squares = [ops("Mul", plane, plane) for plane in planes]
        outputs.append(ops.reshape(ops("Add", *squares), (-1, n_mixed * size)))
    first = [ops.constant([end], np.int64) for end in (0, k, 1)]
    wanted = ops("Slice", ops("Concat", *outputs, axis=1), *first)
    return ops("Mul", wanted, ops.constant(k**-0.5 / (2.0 * size**2)))


def walsh_hadamard(ops: Operations, x: str, shape: tuple[int, int]) -> str:
    """Transform (n, *shape) along the last axis, as `lightprobe.optics.walsh_hadamard` does."""
    order = shape[-1]
    bits = order.bit_length() - 1
    n_factors = -(-bits // _LARGEST_FACTOR)
    y, done = x, 1
    for i in range(n_factors):
        factor = 1 << ((bits + i) // n_factors)
        H = ops.constant(np.asarray(hadamard_matrix(factor)))
        if done == 1:
            y = ops("MatMul", ops.reshape(y, (-1, factor)), H)
        else:
            y = ops("MatMul", H, ops.reshape(y, (-1, factor, done)))
        done *= factor
    return ops.reshape(y, (-1, *shape))


def dense(ops: Operations, x: str, random: Projection, m: int) -> str:
    """Project (n, m) to φ(x), (n, k), by a random matrix in the graph; see `lightprobe.optics.dense`."""
    k = random.n_components
    _require_size(8 * k * m, f"The random matrix of this model ({m} × {k})")
    planes = np.asarray(complex_gaussian(m, 0, k, random.seed))
    projected = [ops("MatMul", x, ops.constant(plane.T)) for plane in planes]
    squares = [ops("Mul", plane, plane) for plane in projected]
    return ops("Mul", ops("Add", *squares), ops.constant(k**-0.5))


def _require_size(size: int, what: str) -> None:
    if size > MAX_BYTES:
        raise OptionError(
            f"{what} would take {size / 1e9:.1f} GB of the {MAX_BYTES / 1e9:.1f} GB that one file can hold: "
            "export a model with `kernel='linear'`, or with a number of random features (`components`)."
        )
