"""The structured map's inner loops, compiled by Numba: one photo at a time, all of it in a core's cache.

`structured.py` holds the mathematics, and the same steps in torch for machines without Numba and for GPUs.
Loops are written so that LLVM turns them into vector instructions of whatever width the machine has.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def _signed(x: Any, signs: Bytes, bit: np.uint8, y: Floats, n: int) -> None:
    """Multiply by a diagonal of signs: y = x where its bit is set, −x elsewhere."""
    for i in range(n):
        value = np.float32(x[i])
        y[i] = value if signs[i] & bit else -value


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
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
