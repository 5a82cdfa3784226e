"""How a graph makes squares of photos, against what the model's own preparation makes of them."""

import platform
import sys
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import Look, Preprocessing, as_bytes, compile_on_cpu, from_bytes
from lightprobe.backbones.resizing import has_fast_wheels
from lightprobe.export.onnx_graph import preparation_to_onnx

Pixels = NDArray[np.uint8]
Run = Callable[[Pixels], Pixels]


def by_openvino(model: onnx.ModelProto) -> Run:
    read = from_bytes({"onnx": as_bytes(model.SerializeToString())})
    compiled = compile_on_cpu(read, {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda photos: np.asarray(compiled([photos])[0])


def by_onnxruntime(model: onnx.ModelProto) -> Run:
    session: Any = pytest.importorskip("onnxruntime").InferenceSession(model.SerializeToString())
    return lambda photos: np.asarray(session.run(None, {"pixels": photos})[0])


@pytest.mark.skipif(
    not has_fast_wheels(sys.platform, platform.machine()), reason="Pillow rounds along the other side first"
)
@pytest.mark.parametrize("look", get_args(Look))
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("program", [by_openvino, by_onnxruntime])
def test_photos_of_any_size_become_the_squares_that_the_model_was_trained_on(
    program: Callable[[onnx.ModelProto], Run],
    interpolation: Literal["bilinear", "bicubic"],
    look: Look,
) -> None:
    preprocessing = Preprocessing(75, 64, interpolation=interpolation).with_look(look)
    model = preparation_to_onnx([[preprocessing]])
    onnx.checker.check_model(model, full_check=True)
    run, rng = program(model), np.random.default_rng(0)
    # Smaller, larger, wide, tall, of the side itself, and sides whose proportion is no whole number.
    for height, width in [(40, 33), (375, 500), (60, 301), (301, 64), (75, 75), (257, 113)]:
        photos = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        theirs = np.stack([preprocessing.prepare(photo) for photo in photos]).astype(int)
        apart = np.abs(run(photos) - theirs)
        # The one rounds weights to whole numbers, the other does not: a value near a half goes either way.
        assert apart.max() <= 1
        # Of weights in tenths (60 pixels to 75), one value in twenty is a half.
        assert (apart > 0).mean() < 0.05


def test_large_photos_keep_their_places() -> None:
    """A photo that grows brighter to the right and downwards, as many times too large: no drift."""
    preprocessing = Preprocessing(64, 64, fit="squash")
    height, width = 2560, 3840
    across = np.linspace(0, 255, width)[None, :, None]
    down = np.linspace(0, 255, height)[:, None, None]
    photo = np.concatenate(np.broadcast_arrays(across, down, (across + down) / 2), axis=2).round()
    run = by_openvino(preparation_to_onnx([[preprocessing]]))
    square = run(photo.astype(np.uint8)[None])[0].astype(float)
    ramp = (np.arange(64) + 0.5) / 64 * 255
    inside = slice(1, -1)  # at the ends the filter is cut off
    np.testing.assert_allclose(square[:, inside, 0], np.broadcast_to(ramp[inside], (64, 62)), atol=1)
    np.testing.assert_allclose(square[inside, :, 1], np.broadcast_to(ramp[inside, None], (62, 64)), atol=1)
