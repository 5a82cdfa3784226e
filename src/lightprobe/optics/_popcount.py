"""Counting the bits that rows share, compiled by Numba: x·y = Σ popcount(x_w & y_w) over 64-bit words.

LLVM turns the loop over words into vector population counts where the processor has them. A vector unit of
512 bits then takes 512 products at once, against 64 of bytes.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Words = NDArray[np.uint64]

TILE = 4  # rows of X and of Y whose 16 counts stay in registers
WORDS, ROWS = 640, 128  # words and rows of Y that stay in the caches


def _population_count(_typing_context: Any, _word: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


_popcount: Any = intrinsic(_population_count)


@njit(nogil=True, cache=True)
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
