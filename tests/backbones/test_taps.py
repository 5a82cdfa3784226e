"""Pooling takes from a layer's output what its layout says."""

import pytest
import torch

from lightprobe.backbones.taps import Cut, Tap, pool_output
from lightprobe.errors import OptionError


def test_the_average_over_space_is_the_same_whether_channels_come_first_or_last() -> None:
    maps = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    expected = torch.tensor([[9.5, 29.5, 49.5], [69.5, 89.5, 109.5]])
    assert torch.equal(pool_output(maps, Cut("a"), "avg"), expected)
    assert torch.equal(pool_output(maps.permute(0, 2, 3, 1), Cut("a", "nhwc"), "avg"), expected)


def test_tokens_give_the_class_token_beside_the_mean_of_the_patches() -> None:
    tokens = torch.tensor([[[7.0, 8.0], [100.0, 100.0], [1.0, 2.0], [3.0, 6.0]]])
    with_register = pool_output(tokens, Cut("a", "tokens", prefix_tokens=2), "avg")
    assert with_register.tolist() == [[7, 8, 2, 4]]
    without_class = pool_output(tokens[:, 2:], Cut("a", "tokens"), "avg")
    assert without_class.tolist() == [[2, 4]]


def test_flattening_keeps_every_number_channels_first_even_of_channels_last_memory() -> None:
    maps = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5).to(memory_format=torch.channels_last)
    flat = pool_output(maps, Cut("a"), "flatten")
    assert flat.tolist() == torch.arange(120.0).view(2, 60).tolist()


def test_halves_are_pooled_in_float32() -> None:
    maps = torch.full((1, 1, 64, 64), 100.0, dtype=torch.float16)  # their sum passes float16
    pooled = pool_output(maps, Cut("a"), "avg")
    assert pooled.dtype == torch.float32
    assert pooled.item() == 100


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(OptionError, match="'max'; allowed are avg and flatten"):
        Tap("features", "max")  # type: ignore[arg-type]  # what a caller without types may do
