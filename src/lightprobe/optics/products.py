"""Inner products of rows in float64: exact for integers, for floats as exact as single precision allows.

- Bits (uint8, 0 or 1): an int8 matrix product; where there is much to do, counting in packed words instead,
  which on two cores of an AMD EPYC 9005 is four times as fast.
- Other bytes (a camera's speckle): two int8 products, shifted and split so that no processor saturates:
  without VNNI, int8 units add pairs of products in 16 bits.
- Floats: float32 products (float64 if given so) over blocks of columns, summed in float64.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightprobe.errors import OptionError

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

BLOCK_ROWS = 2048
GRAM_ROWS = 512  # of a symmetric matrix at a time: of its lower half, only that of the blocks is computed
FLOAT_COLUMNS = 4096
FLOAT_ELEMENTS = 2**24  # of columns turned to single precision at a time
PREPARED_ELEMENTS = 2**26  # of fixed rows that are kept in single precision, a quarter of a gigabyte
# A shifted byte is within ±128 and half of another within ±64: 2¹⁷ products of them stay below 2³¹.
BYTE_COLUMNS = 2**17
# Products of bits above which counting repays loading its compiled loops, half a second.
COUNTING_WORK = 4e11
TILE = 4  # rows that the compiled loops take at a time
DTYPES = (np.uint8, np.float16, np.float32, np.float64)


class Products:
    """Inner products x·y of any rows with fixed ones, which are prepared once.

    Parameters
    ----------
    Y : (l, m) uint8, float16, float32 or float64
    n_rows : int
        How many rows will be multiplied in all: decides whether preparing Y pays.
    device : str
        Where to multiply, as torch names it.
    """

    def __init__(self, Y: NDArray[Any], n_rows: int, device: str = "cpu") -> None:
        self._Y, self._device = Y, device
        self._are_bits = are_bits(Y)
        counted = self._are_bits and device == "cpu" and n_rows * Y.size > COUNTING_WORK
        self._words = _pack_words(Y) if counted else None
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
        if bits and self._words is not None:
            skipped = start % TILE
            return _counted(X, self._words[start - skipped :])[:, skipped : skipped + len(Y)]
        Y = self._prepared[start:]
        multiply = _multiply_floats if X.dtype != np.uint8 else _multiply_bits if bits else _multiply_bytes
        products = np.empty((len(X), len(Y)))
        for i in range(0, len(X), BLOCK_ROWS):
            left = _tensor(X[i : i + BLOCK_ROWS], self._device)
            for j in range(0, len(Y), BLOCK_ROWS):
                right = _tensor(Y[j : j + BLOCK_ROWS], self._device)
                products[i : i + BLOCK_ROWS, j : j + BLOCK_ROWS] = multiply(left, right).cpu().numpy()
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


def gram(X: NDArray[Any], device: str = "cpu") -> Floats:
    """All inner products of the rows of X (n, m) with each other, (n, n), at half the work."""
    kernel = np.empty((len(X), len(X)))
    if X.dtype == np.uint8:
        products = Products(X, len(X), device)
        for start in range(0, len(X), GRAM_ROWS):
            kernel[start : start + GRAM_ROWS, start:] = products(X[start : start + GRAM_ROWS], start)
    else:
        _check(X, X)
        kernel[:] = _gram_floats(X, device).cpu().numpy()
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


def _pack_words(bits: NDArray[np.uint8]) -> Words:
    """Pack rows of bits (n, m) into words (n, ⌈m/64⌉); zeros fill the last word and the last tile of rows."""
    n, m = bits.shape
    packed = np.zeros((-(-n // TILE) * TILE, 8 * -(-m // 64)), dtype=np.uint8)
    packed[:n, : -(-m // 8)] = np.packbits(bits, axis=1)
    return packed.view(np.uint64)


def _counted(X: NDArray[np.uint8], words: Words) -> Floats:
    """Share the rows of X out to threads."""
    from lightprobe.optics.compiled import count_shared

    left = _pack_words(X)
    counts = np.zeros((len(left), len(words)), dtype=np.int32)
    threads = torch.get_num_threads()
    share = TILE * -(-len(left) // (TILE * threads))
    strips = [slice(start, start + share) for start in range(0, len(left), share)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda rows: count_shared(left[rows], words, counts[rows]), strips))
    return counts[: len(X)].astype(np.float64)


def _tensor(block: NDArray[Any], device: str) -> torch.Tensor:
    # torch warns of read-only memory (a memory map) although nothing here writes to it
    return torch.from_numpy(block if block.flags.writeable else block.copy()).to(device)


def _multiply_bits(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    return _int_mm(X.view(torch.int8), Y.view(torch.int8)).double()


def _multiply_bytes(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """x·y = (x−128)·(y−128) + 128 (Σx + Σy) − 128² m, with y−128 = 2h + l, |h| ≤ 64, l in {0, 1}."""
    m = X.shape[1]
    total = torch.zeros(len(X), len(Y), dtype=torch.int64, device=X.device)
    for start in range(0, m, BYTE_COLUMNS):
        x = _shift(X[:, start : start + BYTE_COLUMNS])
        y = _shift(Y[:, start : start + BYTE_COLUMNS])
        total += 2 * _int_mm(x, y >> 1).long() + _int_mm(x, y & 1).long()
    total += 128 * (X.sum(dim=1, dtype=torch.int64)[:, None] + Y.sum(dim=1, dtype=torch.int64))
    return (total - 128**2 * m).double()


def _shift(X: torch.Tensor) -> torch.Tensor:
    """Bytes minus 128, as int8: flipping the top bit is that subtraction."""
    return (X ^ 128).view(torch.int8)


def _int_mm(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    return torch._int_mm(X, Y.T)


def _multiply_floats(X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    working = torch.float64 if X.dtype == torch.float64 else torch.float32
    total = torch.zeros(len(X), len(Y), dtype=torch.float64, device=X.device)
    for start in range(0, X.shape[1], FLOAT_COLUMNS):
        x = X[:, start : start + FLOAT_COLUMNS].to(working)
        y = Y[:, start : start + FLOAT_COLUMNS].to(working)
        total += x @ y.T
    return total


def _gram_floats(X: NDArray[Any], device: str) -> torch.Tensor:
    """Upper half of XXᵀ by blocks of rows; what lies below the blocks is left at zero.

    Every number is converted once, into memory that is used again: touching fresh pages costs more.
    """
    working = torch.float64 if X.dtype == np.float64 else torch.float32
    n, m = X.shape
    width = min(m, FLOAT_COLUMNS, max(256, FLOAT_ELEMENTS // max(1, n)))
    buffer = torch.empty((n, width), dtype=working, device=device)
    total = torch.zeros((n, n), dtype=torch.float64, device=device)
    for start in range(0, m, width):
        part = buffer[:, : m - start]
        part.copy_(_tensor(X[:, start : start + width], device))
        for row in range(0, n, GRAM_ROWS):
            total[row : row + GRAM_ROWS, row:] += part[row : row + GRAM_ROWS] @ part[row:].T
    return total
