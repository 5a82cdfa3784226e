"""Bits counted either way are the same counts; processor and measured speed choose the way."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.optics import bit_counts
from lightprobe.optics.bit_counts import INT8_WORK, INT8_WORK_AND_TORCH, BitCounter, int8_may_win


def bits(n: int, m: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 2, (n, m), dtype=np.uint8)


def exact(X: NDArray[np.uint8], Y: NDArray[np.uint8]) -> NDArray[np.float64]:
    return (X.astype(np.int64) @ Y.T.astype(np.int64)).astype(np.float64)


@pytest.fixture
def with_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor on which int8 may win, and blocks small enough for toys to have several."""
    monkeypatch.setattr(bit_counts, "int8_may_win", lambda _: True)
    for name, size in (("STRIP_ROWS", 10), ("INT8_ROWS", 5), ("INT8_COLUMNS", 33)):
        monkeypatch.setattr(bit_counts, name, size)


@pytest.mark.torch
@pytest.mark.parametrize(("n", "others", "m"), [(1, 1, 1), (3, 7, 65), (33, 21, 1001)])
@pytest.mark.parametrize("start", [0, 3])
def test_both_ways_count_exactly_wherever_they_start(
    n: int, others: int, m: int, start: int, with_int8: None
) -> None:
    X, Y = bits(n, m), bits(others + start, m, seed=1)
    Y.flags.writeable = False  # as a memory map's is not
    counter = BitCounter(Y, 0)
    for way in counter._ways.values():
        np.testing.assert_array_equal(way(X, start), exact(X, Y[start:]))
    np.testing.assert_array_equal(counter(X, start), exact(X, Y[start:]))


def test_each_way_counts_a_strip_and_the_faster_one_the_others(
    with_int8: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    clock = [0.0]

    def way(name: str, seconds_a_row: float) -> Any:
        class Way:
            def __init__(self, Y: NDArray[np.uint8]) -> None:
                self._Y = Y

            def __call__(self, X: NDArray[np.uint8], start: int) -> NDArray[np.float64]:
                used.append(f"{name} {len(X)}")
                clock[0] += seconds_a_row * len(X)
                return exact(X, self._Y[start:])

        return Way

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    X, Y = bits(45, 70), bits(6, 70, seed=1)
    for popcount, int8, chosen in ((1.0, 0.5, "int8"), (0.5, 1.0, "popcount")):
        monkeypatch.setattr(bit_counts, "_Popcount", way("popcount", popcount))
        monkeypatch.setattr(bit_counts, "_Int8", way("int8", int8))
        used.clear()
        counter = BitCounter(Y, 0)
        np.testing.assert_array_equal(counter(X), exact(X, Y))
        tried = ["popcount 4", "popcount 10", "int8 4", "int8 10"]
        assert used == [*tried, f"{chosen} 10", f"{chosen} 10", f"{chosen} 5"]
        counter(X[:3])
        assert used[-1] == f"{chosen} 3", "what was measured holds for the next rows"


@pytest.fixture
def torch_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "torch", sys)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(bit_counts, "cpu_features", lambda: frozenset({"amx_int8", "avx512_vnni"}))
    yield


def test_int8_is_tried_where_the_processor_has_tiles_of_bytes(
    torch_installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert int8_may_win(INT8_WORK)
    assert not int8_may_win(INT8_WORK / 2)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")
    assert not int8_may_win(INT8_WORK)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    monkeypatch.setattr(bit_counts, "cpu_features", lambda: frozenset({"avx512_vnni", "avx512_vpopcntdq"}))
    assert not int8_may_win(INT8_WORK)


def test_torch_is_loaded_for_int8_where_there_is_much_to_count_and_only_if_it_is_installed(
    torch_installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    assert not int8_may_win(INT8_WORK)
    assert int8_may_win(INT8_WORK_AND_TORCH)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not int8_may_win(INT8_WORK_AND_TORCH)
