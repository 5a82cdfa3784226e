"""Inner products of rows in float64: exact for integers, for floats as exact as single precision allows.

- Bits (uint8, 0 or 1): counted where there is much to do, see `bit_counts.py`; else single precision, whose
  sums of up to 2²⁴ bits are exact.
- Other bytes (a camera's speckle): shifted to within ±128 and multiplied in single precision, 2¹⁰ columns at
  a time, whose sums are exact up to 2²⁴.
- Floats: single precision (double if given so) over blocks of columns.

Blocks of columns are summed in float64. They are turned to the precision of the products in memory that is
used again: touching fresh pages costs more than the turning.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lightprobe.devices import CPU, array_namespace, to_device, to_numpy
from lightprobe.errors import OptionError
from lightprobe.optics.bit_counts import BitCounter
from lightprobe.threads import one_blas_thread, share_out

Floats = NDArray[np.float64]

BLOCK_ROWS = 2048
GRAM_ROWS = 512  # of a symmetric matrix at a time: of its lower half, only that of the blocks is computed
FLOAT_COLUMNS = 4096
BYTE_COLUMNS = 1024  # products of bytes within ±128 whose sum stays within ±2²⁴
BYTE_SHIFT = 128
FLOAT_ELEMENTS = 2**24  # of columns turned to single precision at a time
PREPARED_ELEMENTS = 2**26  # of fixed rows that are kept in single precision, a quarter of a gigabyte
# Products of bits above which counting repays loading its compiled loops, half a second.
# Multiplications above which threads are worth starting: some milliseconds.
SHARED_WORK = 1e8
COUNTING_WORK = 5e10
DTYPES = (np.uint8, np.float16, np.float32, np.float64)


class _Arithmetic(NamedTuple):
    """How rows are multiplied: in what precision, how many columns at a time, and what is taken off first."""

    precision: type[np.floating[Any]]
    columns: int
    shift: int

    @classmethod
    def of(cls, dtype: np.dtype[Any], *, bits: bool) -> "_Arithmetic":
        if dtype == np.uint8 and not bits:
            return cls(np.float32, BYTE_COLUMNS, BYTE_SHIFT)
        return cls(np.float64 if dtype == np.float64 else np.float32, FLOAT_COLUMNS, 0)


class Products:
    """Inner products x·y of any rows with fixed ones, which are prepared once.

    Parameters
    ----------
    Y : (l, m) uint8, float16, float32 or float64
    n_rows : int
        How many rows will be multiplied in all: decides whether preparing Y pays.
    device : str
        Where to multiply.
    """

    def __init__(self, Y: NDArray[Any], n_rows: int, device: str = "cpu") -> None:
        self._Y, self._device = Y, device
        self._are_bits = are_bits(Y)
        work = n_rows * Y.size
        counted = self._are_bits and device == CPU and work > COUNTING_WORK
        self._counter = BitCounter(Y, work) if counted else None
        # In the precision of the products, which every call would turn it to.
        halves = Y.dtype == np.float16 and Y.size <= PREPARED_ELEMENTS
        self._prepared = Y.astype(np.float32) if halves else Y

    def __call__(self, X: NDArray[Any], start: int = 0) -> Floats:
        """Multiply rows X (n, m) with Y[start:]: (n, l − start).

        Raises
        ------
        OptionError
            The types or the numbers of columns differ, or no product is defined for the type.
        """
        Y = self._Y[start:]
        _check(X, Y)
        bits = self._are_bits and are_bits(X)
        if bits and self._counter is not None:
            return self._counter(X, start)
        Y = self._prepared[start:]
        how = _Arithmetic.of(X.dtype, bits=bits)
        products = np.zeros((len(X), len(Y)))
        for i in range(0, len(X), BLOCK_ROWS):
            for j in range(0, len(Y), BLOCK_ROWS):
                rows, others = slice(i, i + BLOCK_ROWS), slice(j, j + BLOCK_ROWS)
                _add_products(X[rows], Y[others], how, self._device, products[rows, others])
        return products


def are_bits(X: NDArray[Any]) -> bool:
    """Tell whether rows are uint8 of nothing but 0 and 1."""
    return X.dtype == np.uint8 and bool(X.max(initial=0) <= 1)


def squared_lengths(X: NDArray[Any]) -> Floats:
    """|x|² of every row, (n,), in float64; exact for uint8."""
    if are_bits(X):
        return np.array([np.count_nonzero(row) for row in X], dtype=np.float64)
    lengths = np.empty(len(X))
    step = max(1, BLOCK_ROWS * FLOAT_COLUMNS // (4 * max(1, X.shape[1])))
    buffer = np.empty((min(step, len(X)), X.shape[1]))
    for start in range(0, len(X), step):
        block = buffer[: len(X) - start]
        np.copyto(block, X[start : start + step])
        np.einsum("ij,ij->i", block, block, out=lengths[start : start + step])
    return lengths


def gram(X: NDArray[Any], device: str = CPU) -> Floats:
    """All inner products of the rows of X (n, m) with each other, (n, n), at half the work."""
    bits = are_bits(X)
    if bits and device == CPU and len(X) * X.size > COUNTING_WORK:
        kernel, products = np.empty((len(X), len(X))), Products(X, len(X))
        for start in range(0, len(X), GRAM_ROWS):
            kernel[start : start + GRAM_ROWS, start:] = products(X[start : start + GRAM_ROWS], start)
    else:
        _check(X, X)
        kernel = to_numpy(_upper_gram(X, _Arithmetic.of(X.dtype, bits=bits), device))
    for start in range(0, len(X), GRAM_ROWS):
        rows, below = slice(start, start + GRAM_ROWS), slice(start + GRAM_ROWS, None)
        kernel[below, rows] = kernel[rows, below].T
    return kernel


def _check(X: NDArray[Any], Y: NDArray[Any]) -> None:
    if X.dtype != Y.dtype or X.dtype not in DTYPES:
        raise OptionError(
            f"Kernels of {X.dtype} and {Y.dtype} rows are not defined; "
            "give both as uint8, float16, float32 or float64."
        )
    if X.ndim != 2 or Y.ndim != 2 or X.shape[1] != Y.shape[1]:
        raise OptionError(f"Rows of shapes {X.shape} and {Y.shape} do not match; both need the same columns.")


def _column_blocks(X: NDArray[Any], how: _Arithmetic, width: int, device: str) -> Iterator[Any]:
    """Give the columns of X block by block, on the device and in the precision of the products."""
    xp = array_namespace(device)
    buffer = None
    if X.dtype != how.precision:
        dtype = xp.float64 if how.precision == np.float64 else xp.float32
        buffer = xp.empty((len(X), min(width, X.shape[1])), dtype=dtype, device=device)
    for start in range(0, X.shape[1], width):
        block = to_device(X[:, start : start + width], device)
        if buffer is not None:
            part = buffer[:, : block.shape[1]]
            part[...] = block
            block = part
        if how.shift:
            block -= how.shift
        yield block


def _add_products(X: NDArray[Any], Y: NDArray[Any], how: _Arithmetic, device: str, out: Floats) -> None:
    """Add x·y of every two rows of X (n, m) and Y (l, m) to `out`, (n, l)."""
    xp = array_namespace(device)
    total = out if device == CPU else xp.zeros(out.shape, dtype=xp.float64, device=device)
    for x, y in zip(*(_column_blocks(rows, how, how.columns, device) for rows in (X, Y)), strict=True):

        def add(row: int, x: Any = x, y: Any = y) -> None:
            total[row : row + GRAM_ROWS] += x[row : row + GRAM_ROWS] @ y.T

        _share_out(add, range(0, len(x), GRAM_ROWS), device, x.shape[0] * y.shape[0] * x.shape[1])
    _shift_back(total, X, Y, how, device)
    if device != CPU:
        out += to_numpy(total)


def _upper_gram(X: NDArray[Any], how: _Arithmetic, device: str) -> Any:
    """Upper half of XXᵀ by blocks of rows; what lies below the blocks is left at zero."""
    xp = array_namespace(device)
    n = len(X)
    total = xp.zeros((n, n), dtype=xp.float64, device=device)
    width = min(how.columns, max(256, FLOAT_ELEMENTS // max(1, n)))
    for part in _column_blocks(X, how, width, device):

        def add(row: int, part: Any = part) -> None:
            total[row : row + GRAM_ROWS, row:] += part[row : row + GRAM_ROWS] @ part[row:].T

        _share_out(add, range(0, n, GRAM_ROWS), device, n * n * part.shape[1])
    _shift_back(total, X, X, how, device)
    return total


def _share_out(add: Callable[[int], None], rows: range, device: str, multiplications: int) -> None:
    """Add blocks of rows, on the CPU in several threads where there is enough to multiply."""
    if device == CPU and multiplications > SHARED_WORK:
        share_out(add, rows)
        return
    with one_blas_thread():
        for row in rows:
            add(row)


def _shift_back(total: Any, X: NDArray[Any], Y: NDArray[Any], how: _Arithmetic, device: str) -> None:
    """Turn (x − s)·(y − s) into x·y, in place: add s (Σx + Σy) − s² m."""
    if how.shift:
        left, right = (to_device(how.shift * rows.sum(axis=1, dtype=np.float64), device) for rows in (X, Y))
        total += left[:, None]
        total += right - how.shift**2 * X.shape[1]
