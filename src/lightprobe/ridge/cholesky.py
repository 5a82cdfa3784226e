"""Cholesky factors of one symmetric matrix with many different diagonals, in the memory of that matrix.

    G + D = UᵀU, U upper triangular

The blocks on one side of the diagonal keep G; those on the other take U and later its inverse; the diagonal
ones, and the inverses of U's, are kept aside. So a new diagonal costs n³/3 operations for the factor and as
many for its inverse. Everything halves its problem until a block is left, so that nearly all work is in few,
large matrix products: they run at full speed on every processor and on CUDA alike. Systems of one block are
multiplied by the inverse of its triangle, which costs little where blocks are small.

Products run in the thread that asks for them; large ones are parted among threads that sleep while they wait
(`lightprobe.threads`). LAPACK does it in one triangle too (dpotrf and dtrtri), in one thread in 0.6 to 1 of
the time, but leaves all other cores idle then, and with several threads takes up to six times as long beside
other work: `benchmarks/factor.py`.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightprobe.devices import CPU, array_namespace, namespace_of, to_device, to_numpy
from lightprobe.errors import OptionError
from lightprobe.ridge.loo import Floats, Indices
from lightprobe.threads import one_blas_thread, share_out

P = ParamSpec("P")
T = TypeVar("T")

BLOCK = 96
PANEL = 256  # columns that are multiplied at a time: products are made aside before they are subtracted
SHARED_WORK = 1e8  # multiplications above which threads are worth starting: some milliseconds


class IllConditionedError(OptionError):
    """The penalty is too small for the system to be solved in double precision."""


def _in_own_thread(method: Callable[P, T]) -> Callable[P, T]:
    """Keep NumPy's products in the thread that asks for them while a method runs."""

    @wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with one_blas_thread():
            return method(*args, **kwargs)

    return run


class Cholesky:
    """Factors of one symmetric matrix, one diagonal at a time.

    Parameters
    ----------
    G : (n, n) float64, symmetric, in C order
        On a CPU it is used as working memory.
    device : str
        Where to compute.
    """

    def __init__(self, G: Floats, device: str = CPU) -> None:
        self._xp, self._device = array_namespace(device), device
        self._matrix = to_device(G, device)
        n = len(G)
        self._blocks = [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]
        self._corners = [self._xp.asarray(self._matrix[rows, rows], copy=True) for rows in self._blocks]
        self._upper = _Upper(self._matrix, [self._xp.empty_like(corner) for corner in self._corners])

    @_in_own_thread
    def factorise(self, diagonal: Floats, alpha_relative: float) -> None:
        """Factor the matrix with this diagonal (n,), that of a relative penalty, in place of its own.

        Raises
        ------
        IllConditionedError
            There is no factor; another diagonal may follow.
        """
        matrix, own = self._matrix, self._there(diagonal)
        for rows, corner in zip(self._blocks, self._corners, strict=True):
            along = self._xp.arange(len(corner), device=self._device)
            corner[along, along] = own[rows]
            matrix[rows, rows] = corner
            matrix[rows, rows.stop :] = matrix[rows.stop :, rows].T
        try:
            _factor(self._upper)
        except (np.linalg.LinAlgError, RuntimeError) as error:  # torch's is of the second kind
            raise IllConditionedError(
                f"A relative alpha of {alpha_relative:.3g} is too small for double precision; "
                "use a larger one."
            ) from error

    @_in_own_thread
    def solve(self, B: Floats) -> Floats:
        """(G + D)⁻¹B, for B (n, c)."""
        solved = self._there(B)
        _solve_transposed(self._upper, solved)
        _solve(self._upper, solved)
        return to_numpy(solved)

    @_in_own_thread
    def inner_products(self, B: Floats) -> tuple[Floats, Callable[[Indices], Floats]]:
        """Diagonal (c,) of Bᵀ(G + D)⁻¹B, for B (n, c), and a function that gives its blocks."""
        half = self._there(B)
        _solve_transposed(self._upper, half)

        def block(columns: Indices) -> Floats:
            chosen = half[:, self._there(columns)]
            return to_numpy(chosen.T @ chosen)

        return to_numpy(self._xp.sum(half * half, axis=0)), block

    @_in_own_thread
    def invert(self) -> None:
        """Replace U by its inverse; nothing can be solved then until the next factorisation."""
        _invert(self._upper)

    @_in_own_thread
    def times_inverse(self, B: Floats) -> Floats:
        """(G + D)⁻¹B, for B (n, c), after `invert`."""
        right = self._there(B)
        half, product = self._xp.zeros_like(right), self._xp.empty_like(right)
        for rows in self._blocks:
            half[rows.start :] += self._matrix[rows, rows.start :].T @ right[rows]
        for rows in self._blocks:
            product[rows] = self._matrix[rows, rows.start :] @ half[rows.start :]
        return to_numpy(product)

    def inverse_diagonal(self) -> Floats:
        """Diagonal (n,) of (G + D)⁻¹, after `invert`."""
        parts = (self._matrix[rows, rows.start :] for rows in self._blocks)
        return to_numpy(self._xp.concat([self._xp.sum(part * part, axis=1) for part in parts]))

    @_in_own_thread
    def inverse_block(self, rows: Indices) -> Floats:
        """Return the rows and columns `rows` of (G + D)⁻¹, after `invert`."""
        chosen = self._there(rows)
        right = self._xp.arange(len(self._matrix), device=self._device) >= chosen[:, None]
        inverse = self._xp.where(right, self._matrix[chosen], 0.0)
        return to_numpy(inverse @ inverse.T)

    def _there(self, array: NDArray[Any]) -> Any:
        """Copy an array to where the matrix is."""
        return to_device(np.array(array, order="C"), self._device)


class _Upper(NamedTuple):
    """The square view of an upper triangle of blocks; the blocks below are never touched.

    Attributes
    ----------
    matrix : (n, n)
    inverses : list of (BLOCK, BLOCK)
        Of the triangles on the diagonal, once they are factored.
    """

    matrix: Any
    inverses: list[Any]

    def halves(self) -> tuple["_Upper", Any, "_Upper"]:
        """Part it after half of its blocks: upper left, corner, lower right."""
        blocks = len(self.inverses) // 2
        half = blocks * BLOCK
        first = _Upper(self.matrix[:half, :half], self.inverses[:blocks])
        return first, self.matrix[:half, half:], _Upper(self.matrix[half:, half:], self.inverses[blocks:])


def _factor(U: _Upper) -> None:
    """Replace a symmetric matrix by its factor."""
    if len(U.inverses) == 1:
        xp = namespace_of(U.matrix)
        triangle = xp.linalg.cholesky(U.matrix, upper=True)
        U.matrix[...] = triangle
        U.inverses[0][...] = xp.linalg.inv(triangle)
        return
    first, corner, last = U.halves()
    _factor(first)
    _solve_transposed(first, corner)
    _subtract_square(last, corner)
    _factor(last)


def _subtract_product(C: Any, A: Any, B: Any) -> None:
    """C ← C − AB, some columns at a time, on the CPU in several threads where there is enough to multiply."""

    def subtract(start: int) -> None:
        C[:, start : start + PANEL] -= A @ B[:, start : start + PANEL]

    starts = range(0, C.shape[1], PANEL)
    if isinstance(C, np.ndarray) and C.shape[0] * C.shape[1] * A.shape[1] > SHARED_WORK:
        share_out(subtract, starts)
        return
    for start in starts:
        subtract(start)


def _subtract_square(U: _Upper, P: Any) -> None:
    """U ← U − PᵀP."""
    if len(U.inverses) == 1:
        _subtract_product(U.matrix, P.T, P)
        return
    first, corner, last = U.halves()
    half = len(first.matrix)
    _subtract_product(corner, P[:, :half].T, P[:, half:])
    _subtract_square(first, P[:, :half])
    _subtract_square(last, P[:, half:])


def _solve_transposed(U: _Upper, B: Any) -> None:
    """B ← U⁻ᵀB; so Bᵀ ← BᵀU⁻¹."""
    if len(U.inverses) == 1:
        B[...] = U.inverses[0].T @ B
        return
    first, corner, last = U.halves()
    half = len(first.matrix)
    _solve_transposed(first, B[:half])
    _subtract_product(B[half:], corner.T, B[:half])
    _solve_transposed(last, B[half:])


def _solve(U: _Upper, B: Any) -> None:
    """B ← U⁻¹B."""
    if len(U.inverses) == 1:
        B[...] = U.inverses[0] @ B
        return
    first, corner, last = U.halves()
    half = len(first.matrix)
    _solve(last, B[half:])
    _subtract_product(B[:half], corner, B[half:])
    _solve(first, B[:half])


def _invert(U: _Upper) -> None:
    """U ← U⁻¹, whose corner is −U₁₁⁻¹U₁₂U₂₂⁻¹."""
    if len(U.inverses) == 1:
        U.matrix[...] = U.inverses[0]
        return
    first, corner, last = U.halves()
    _solve(first, corner)
    corner *= -1
    _solve_transposed(last, corner.T)
    _invert(first)
    _invert(last)
