"""Bits that rows share, counted in the way that is the faster one on this processor; all are exact.

    popcount   x·y = Σ popcount(x_w & y_w) over words of 64 bits, in compiled loops; fast where one
               instruction counts the bits of a vector (VPOPCNTDQ)
    int8       x·y as products of bytes, in torch; fast where the processor multiplies tiles of bytes (AMX)

Where torch is installed and int8 may win, both count a strip of the rows, and the faster one the others. On
two cores popcount does 0.9 to 2 · 10¹² products of bits a second on a Xeon with AMX and int8 1.3 to 4; on an
EPYC with VPOPCNTDQ popcount is four times as fast as int8.
"""

import importlib.util
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.cpus import cpu_features, onednn_may_use
from lightprobe.devices import TORCH_CPU, import_torch, to_device
from lightprobe.threads import cpu_threads

Bits = NDArray[np.uint8]
Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
Way = Callable[[Bits, int], Floats]  # x·y of rows X (n, m) with Y[start:]

TILE: Final = 4  # rows that the compiled loops take at a time
STRIP_ROWS: Final = 512  # that each way counts before one is chosen
# Products of bits from which on trying int8 repays: where torch is loaded, and where it would have to be.
INT8_WORK: Final = 1e12
INT8_WORK_AND_TORCH: Final = 1e13
INT8_ROWS, INT8_COLUMNS = 2048, 16_384  # of Y at a time: more is no faster (oneDNN, with AMX)


class BitCounter:
    """Counts the bits that any rows share with fixed ones, which are prepared once.

    Parameters
    ----------
    Y : (l, m) uint8, 0 or 1
    work : float
        Products of bits that are to come: decides which ways are tried.
    """

    def __init__(self, Y: Bits, work: float) -> None:
        self._n_fixed = len(Y)
        self._ways: dict[str, Way] = {"popcount": _Popcount(Y)}
        if int8_may_win(work):
            self._ways["int8"] = _Int8(Y)
        self._speed: dict[str, float] = {}

    def __call__(self, X: Bits, start: int = 0) -> Floats:
        """Count for rows X (n, m) and Y[start:]: (n, l − start)."""
        if len(self._ways) == 1:
            return self._ways["popcount"](X, start)
        counts = np.empty((len(X), self._n_fixed - start))
        for first in range(0, len(X), STRIP_ROWS):
            rows = slice(first, first + STRIP_ROWS)
            counts[rows] = self._count(X[rows], start)
        return counts

    def _count(self, X: Bits, start: int) -> Floats:
        untried = [name for name in self._ways if name not in self._speed]
        if not untried:
            return self._ways[max(self._speed, key=self._speed.__getitem__)](X, start)
        way = self._ways[untried[0]]
        way(X[:TILE], start)  # what is loaded and compiled at the first call is no matter of speed
        began = time.perf_counter()
        counts = way(X, start)
        self._speed[untried[0]] = counts.size / (time.perf_counter() - began)
        return counts


def int8_may_win(work: float) -> bool:
    """Whether int8 may be faster than popcount here, by enough to be tried for that many products of bits."""
    features = cpu_features()
    tiles = "amx_int8" in features and onednn_may_use(("AMX", "AVX10", "DEFAULT", "ALL"))
    least = INT8_WORK if "torch" in sys.modules else INT8_WORK_AND_TORCH
    return tiles and work >= least and importlib.util.find_spec("torch") is not None


class _Popcount:
    """In packed words, the rows of X shared out to threads."""

    def __init__(self, Y: Bits) -> None:
        self._words, self._n_fixed = _pack_words(Y), len(Y)

    def __call__(self, X: Bits, start: int) -> Floats:
        from lightprobe.optics.compiled import count_shared

        skipped = start % TILE
        left, words = _pack_words(X), self._words[start - skipped :]
        counts = np.zeros((len(left), len(words)), dtype=np.int32)
        threads = cpu_threads()
        share = TILE * -(-len(left) // (TILE * threads))
        strips = [slice(first, first + share) for first in range(0, len(left), share)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda rows: count_shared(left[rows], words, counts[rows]), strips))
        return counts[: len(X), skipped : skipped + self._n_fixed - start].astype(np.float64)


class _Int8:
    """As products of bytes, whose sums are exact: bits are far below where int16 pairs saturate."""

    def __init__(self, Y: Bits) -> None:
        self._Y, self._torch = Y, import_torch("Counting bits by int8 products")

    def __call__(self, X: Bits, start: int) -> Floats:
        Y = self._Y[start:]
        counts = np.zeros((len(X), len(Y)))
        for column in range(0, X.shape[1], INT8_COLUMNS):
            left = self._bytes(X[:, column : column + INT8_COLUMNS])
            for row in range(0, len(Y), INT8_ROWS):
                right = self._bytes(Y[row : row + INT8_ROWS, column : column + INT8_COLUMNS])
                counts[:, row : row + INT8_ROWS] += self._torch._int_mm(left, right.T).numpy()
        return counts

    def _bytes(self, bits: Bits) -> Any:
        return to_device(bits, TORCH_CPU).view(self._torch.int8)


def _pack_words(bits: Bits) -> Words:
    """Pack rows of bits (n, m) into words (n, ⌈m/64⌉); zeros fill the last word and the last tile of rows."""
    n, m = bits.shape
    packed = np.zeros((-(-n // TILE) * TILE, 8 * -(-m // 64)), dtype=np.uint8)
    packed[:n, : -(-m // 8)] = np.packbits(bits, axis=1)
    return packed.view(np.uint64)
