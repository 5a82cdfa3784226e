"""Inner loops compiled by Numba: the structured map, and counting the bits that rows share.

- The map takes one photo at a time, all of it in a core's cache; `structured.py` holds the mathematics, and
  the same steps as array code for GPUs.
- x·y = Σ popcount(x_w & y_w) over 64-bit words: a vector unit of 512 bits takes 512 products at once, and 64
  of bytes.

Loops are written so that LLVM turns them into vector instructions of whatever width the machine has.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]

TILE = 4  # rows of X and of Y whose 16 counts stay in registers
WORDS, ROWS = 640, 128  # words and rows of Y that stay in the caches


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on the first call, kept for the next process where there is a place to keep it."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # Numba's word for a cache folder that cannot be written
        return njit(nogil=True)(function)


@compiled
def walsh(x: Floats, y: Floats, n: int) -> tuple[Floats, Floats]:
    """Walsh-Hadamard transform of x[:n] in natural order, y[:n] as scratch: (result, the other array).

    Every pass is the same (constant geometry, Pease 1968): neighbours in, quarters out, so that after
    log₂ n stages the order is natural again, and no stage has a stride shorter than a vector.
    """
    stages_left = n
    while stages_left >= 4:
        quarter = n // 4
        for i in range(quarter):
            a, b, c, d = x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]
            s, t, u, v = a + b, a - b, c + d, c - d
            y[i] = s + u
            y[i + quarter] = t + v
            y[i + 2 * quarter] = s - u
            y[i + 3 * quarter] = t - v
        x, y = y, x
        stages_left //= 4
    if stages_left == 2:
        half = n // 2
        for i in range(half):
            a, b = x[2 * i], x[2 * i + 1]
            y[i] = a + b
            y[i + half] = a - b
        x, y = y, x
    return x, y


@compiled
def _signed(x: Any, signs: Bytes, bit: np.uint8, y: Floats, n: int) -> None:
    """Multiply by a diagonal of signs: y = x where its bit is set, −x elsewhere."""
    for i in range(n):
        value = np.float32(x[i])
        y[i] = value if signs[i] & bit else -value


@compiled
def _mix_blocks(z: Floats, n_blocks: int, size: int) -> None:
    """Walsh-Hadamard transform across blocks, in place: z (n_blocks, size), n_blocks a power of two."""
    h = 1
    while 4 * h <= n_blocks:
        for start in range(0, n_blocks, 4 * h):
            for block in range(start, start + h):
                first, step = block * size, h * size
                a = z[first : first + size]
                b = z[first + step : first + step + size]
                c = z[first + 2 * step : first + 2 * step + size]
                d = z[first + 3 * step : first + 3 * step + size]
                for i in range(size):
                    s, t, u, v = a[i] + b[i], a[i] - b[i], c[i] + d[i], c[i] - d[i]
                    a[i] = s + u
                    b[i] = t + v
                    c[i] = s - u
                    d[i] = t - v
        h *= 4
    if h < n_blocks:
        for block in range(h):
            a = z[block * size : (block + 1) * size]
            b = z[(block + h) * size : (block + h + 1) * size]
            for i in range(size):
                s, t = a[i] + b[i], a[i] - b[i]
                a[i] = s
                b[i] = t


@compiled
def _precondition(
    x: Any, size: int, segments: int, signs: Bytes, w: Floats, a: Floats, b: Floats, z: Floats
) -> None:
    """Spread x evenly: z = H D₂ M H D₁ x, blockwise; M moves segment t of block c to c + t."""
    m, n_blocks, length = len(x), len(z) // size, size // segments
    for block in range(n_blocks):
        first = block * size
        used = min(size, m - first)
        _signed(x[first:], signs[first:], np.uint8(1), a, used)
        a[used:] = 0
        u, _ = walsh(a, b, size)
        w[first : first + size] = u
    for block in range(n_blocks):
        for t in range(segments):
            here = block * size + t * length
            there = (block - t) % n_blocks * size + t * length
            _signed(w[there:], signs[here:], np.uint8(2), a[t * length :], length)
        u, _ = walsh(a, b, size)
        z[block * size : (block + 1) * size] = u


@compiled
def project(
    X: Any, size: int, n_mixed: int, segments: int, signs: Any, scale: np.float32, out: Floats
) -> None:
    """Fill out (n, k) with scale · |Rx|² for each row x of X (n, m); signs: (n_tables, L)."""
    length, k = signs.shape[1], out.shape[1]
    z = np.empty(length, np.float32)
    w = np.empty(n_mixed * size, np.float32)
    a, b = np.empty(size, np.float32), np.empty(size, np.float32)
    for row in range(len(X)):
        _precondition(X[row], size, segments, signs[0], w, a, b, z)
        for stack in range((k + len(w) - 1) // len(w)):
            features = out[row, stack * len(w) : min(k, (stack + 1) * len(w))]
            for plane in range(2):
                diagonal = 2 + 2 * stack + plane
                _signed(z, signs[diagonal // 8], np.uint8(1 << diagonal % 8), w, length)
                w[length:] = 0
                _mix_blocks(w, n_mixed, size)
                for first in range(0, len(features), size):
                    u, _ = walsh(w[first:], b, size)
                    f = features[first : first + size]
                    if plane == 0:
                        for i in range(len(f)):
                            f[i] = u[i] * u[i]
                    else:
                        for i in range(len(f)):
                            f[i] = (f[i] + u[i] * u[i]) * scale


def _population_count(_typing_context: Any, _word: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


_popcount: Any = intrinsic(_population_count)


@compiled
def count_shared(X: Words, Y: Words, counts: NDArray[np.int32]) -> None:
    """Add to counts (n, l) the bits that rows of X (n, w) share with rows of Y (l, w); n and l in fours."""
    n, w = X.shape
    zero = np.uint64(0)
    for first in range(0, len(Y), ROWS):
        for start in range(0, w, WORDS):
            stop = min(start + WORDS, w)
            for i in range(0, n, TILE):
                a0, a1 = X[i, start:stop], X[i + 1, start:stop]
                a2, a3 = X[i + 2, start:stop], X[i + 3, start:stop]
                for j in range(first, min(first + ROWS, len(Y)), TILE):
                    b0, b1 = Y[j, start:stop], Y[j + 1, start:stop]
                    b2, b3 = Y[j + 2, start:stop], Y[j + 3, start:stop]
                    c00 = c01 = c02 = c03 = zero
                    c10 = c11 = c12 = c13 = zero
                    c20 = c21 = c22 = c23 = zero
                    c30 = c31 = c32 = c33 = zero
                    for k in range(stop - start):
                        x, y0, y1, y2, y3 = a0[k], b0[k], b1[k], b2[k], b3[k]
                        c00 += _popcount(x & y0)
                        c01 += _popcount(x & y1)
                        c02 += _popcount(x & y2)
                        c03 += _popcount(x & y3)
                        x = a1[k]
                        c10 += _popcount(x & y0)
                        c11 += _popcount(x & y1)
                        c12 += _popcount(x & y2)
                        c13 += _popcount(x & y3)
                        x = a2[k]
                        c20 += _popcount(x & y0)
                        c21 += _popcount(x & y1)
                        c22 += _popcount(x & y2)
                        c23 += _popcount(x & y3)
                        x = a3[k]
                        c30 += _popcount(x & y0)
                        c31 += _popcount(x & y1)
                        c32 += _popcount(x & y2)
                        c33 += _popcount(x & y3)
                    tile = (
                        (c00, c01, c02, c03),
                        (c10, c11, c12, c13),
                        (c20, c21, c22, c23),
                        (c30, c31, c32, c33),
                    )
                    for r, row in enumerate(tile):
                        for s, count in enumerate(row):
                            counts[i + r, j + s] += np.int32(count)
