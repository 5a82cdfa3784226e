"""Pooling takes from a layer's output what its layout says, in graphs and in torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.backbones import Cut, Pool, Tap, compile_on_cpu, import_openvino
from lightprobe.backbones.graphs import composing
from lightprobe.errors import OptionError

Floats = NDArray[np.floating[Any]]
PoolArray = Callable[[Floats, Cut, Pool], Floats]


def pool_in_graph(values: Floats, cut: Cut, pool: Pool) -> Floats:
    openvino = import_openvino()
    layer = openvino.opset13.parameter([-1, *values.shape[1:]], values.dtype)
    pooled = composing._pooled(openvino.opset13, layer.output(0), cut, pool)
    compiled = compile_on_cpu(openvino.Model([pooled], [layer]), {"INFERENCE_PRECISION_HINT": "f32"})
    found: Floats = compiled([values])[0]
    return found


def pool_in_torch(values: Floats, cut: Cut, pool: Pool) -> Floats:
    import torch

    from lightprobe.backbones import pool_output

    layer = torch.from_numpy(values)
    if layer.ndim == 4:
        layer = layer.to(memory_format=torch.channels_last)
    pooled: Floats = pool_output(layer, cut, pool).numpy()
    return pooled


each_way = pytest.mark.parametrize(
    "pool_array", [pool_in_graph, pytest.param(pool_in_torch, marks=pytest.mark.torch)]
)
MAPS = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


@each_way
def test_the_average_over_space_is_the_same_whether_channels_come_first_or_last(
    pool_array: PoolArray,
) -> None:
    expected = [[9.5, 29.5, 49.5], [69.5, 89.5, 109.5]]
    assert pool_array(MAPS, Cut("a"), "avg").tolist() == expected
    last = np.ascontiguousarray(MAPS.transpose(0, 2, 3, 1))
    assert pool_array(last, Cut("a", "nhwc"), "avg").tolist() == expected


@each_way
def test_tokens_give_the_class_token_beside_the_mean_of_the_patches(pool_array: PoolArray) -> None:
    tokens = np.array([[[7, 8], [100, 100], [1, 2], [3, 6]]], np.float32)
    with_register = pool_array(tokens, Cut("a", "tokens", prefix_tokens=2), "avg")
    assert with_register.tolist() == [[7, 8, 2, 4]]
    without_class = pool_array(tokens[:, 2:], Cut("a", "tokens"), "avg")
    assert without_class.tolist() == [[2, 4]]


@each_way
def test_flattening_keeps_every_number_channels_first(pool_array: PoolArray) -> None:
    assert pool_array(MAPS, Cut("a"), "flatten").tolist() == MAPS.reshape(2, 60).tolist()


@each_way
def test_halves_are_pooled_in_float32(pool_array: PoolArray) -> None:
    maps = np.full((1, 1, 64, 64), 100, np.float16)  # their sum passes float16
    pooled = pool_array(maps, Cut("a"), "avg")
    assert pooled.dtype == np.float32
    assert pooled.item() == 100


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(OptionError, match="'max'; allowed are avg and flatten"):
        Tap("features", "max")  # type: ignore[arg-type]  # what a caller without types may do
