"""What a graph computes beside the network, against NumPy, on both programs that run it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import Cut, Pool, as_bytes, compile_on_cpu, from_bytes
from lightprobe.errors import OptionError
from lightprobe.export.encode import as_half, encoded
from lightprobe.export.heads import dense, structured
from lightprobe.export.onnx_graph import pooled
from lightprobe.export.operations import Operations
from lightprobe.optics import ENCODERS, Projection

Floats = NDArray[np.float32]
Run = Callable[[onnx.ModelProto, Floats], Floats]


def write(build: Callable[[Operations, str], str], width: int, opset: int = 17) -> onnx.ModelProto:
    """Write a graph on numbers (n, width)."""
    ops = Operations(opset)
    ops("Identity", build(ops, "x"), output="y")
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", length])
        for name, length in (("x", width), ("y", "k"))
    )
    graph = onnx.helper.make_graph(ops.nodes, "written", [x], [y], ops.constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def run_openvino(model: onnx.ModelProto, x: Floats) -> Floats:
    read = from_bytes({"onnx": as_bytes(model.SerializeToString())})
    answer: Floats = compile_on_cpu(read, {"INFERENCE_PRECISION_HINT": "f32"})([x])[0]
    return answer


def run_onnxruntime(model: onnx.ModelProto, x: Floats) -> Floats:
    runtime = pytest.importorskip("onnxruntime")
    answer: Floats = runtime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    return answer


RUNS = (run_openvino, run_onnxruntime)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_graph_encodes_every_half_float_to_the_bit(encoding: str, run: Run) -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    rows = halves[np.isfinite(halves)].reshape(-1, 62)
    ours = run(write(lambda ops, x: encoded(ops, x, encoding), 62), rows.astype(np.float32))
    # Lengths are sums, which are rounded in another order here and there.
    exact = encoding in ("none", "sign", "float32")
    np.testing.assert_allclose(ours, ENCODERS[encoding](rows), rtol=0 if exact else 1e-3)


@pytest.mark.parametrize("run", RUNS)
def test_a_graph_rounds_as_the_cache_does(run: Run) -> None:
    rng = np.random.default_rng(0)
    halves = np.arange(2**15 - 1024, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = (halves[1:] + halves[:-1]) / 2  # ties
    drawn = rng.normal(size=40_000) * 10.0 ** rng.uniform(-9, 3, 40_000)
    x = np.concatenate([halves, -between, drawn]).astype(np.float32)[:, None]
    np.testing.assert_array_equal(run(write(as_half, 1), x), x.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize(
    ("cut", "pool", "expected"),
    [
        (Cut("layer"), "avg", lambda y: y.mean((2, 3))),
        (Cut("layer", "nhwc"), "avg", lambda y: y.mean((1, 2))),
        (Cut("layer", "tokens"), "avg", lambda y: y.reshape(2, 12, 4).mean(1)),
        (
            Cut("layer", "tokens", 3),
            "avg",
            lambda y: np.hstack([y.reshape(2, 12, 4)[:, 0], y.reshape(2, 12, 4)[:, 3:].mean(1)]),
        ),
        (Cut("layer", "tokens", 3), "flatten", lambda y: y.reshape(2, 48)),
        (Cut("layer"), "flatten", lambda y: y.reshape(2, 48)),
    ],
)
def test_a_graph_pools_every_layout(cut: Cut, pool: Pool, expected: Callable[..., Any], opset: int) -> None:
    shape = (12, 4) if cut.layout == "tokens" else (3, 4, 4)
    x = np.random.default_rng(0).normal(size=(2, 48)).astype(np.float32)
    model = write(lambda ops, x: pooled(ops, ops.reshape(x, (-1, *shape)), cut, pool), 48, opset)
    wanted = expected(x if cut.layout == "tokens" else x.reshape(2, *shape))
    for run in RUNS:
        np.testing.assert_allclose(run(model, x), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("projection", ["structured", "dense"])
@pytest.mark.parametrize(("m", "k"), [(10_000, 40), (300, 9_000)])  # blocks that mix, and stacks
def test_a_graph_projects_as_the_light_does(projection: str, m: int, k: int) -> None:
    x = np.random.default_rng(0).normal(size=(3, m)).astype(np.float32)
    light = Projection(k, seed=0, kind=projection, device="cpu")
    write_map = structured if projection == "structured" else dense
    model = write(lambda ops, name: write_map(ops, name, light, m), m)
    for run in RUNS:
        np.testing.assert_allclose(run(model, x), light(x), rtol=1e-3, atol=1e-3 * m / k**0.5)


def test_an_encoding_that_graphs_lack_is_named() -> None:
    with pytest.raises(OptionError, match="no operation for the encoding gray"):
        encoded(Operations(17), "x", "gray")
