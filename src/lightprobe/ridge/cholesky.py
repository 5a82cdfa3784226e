"""Cholesky factors of one symmetric matrix with many different diagonals, in the memory of that matrix.

    G + D = UᵀU, U upper triangular

The blocks on one side of the diagonal keep G; those on the other take U and later its inverse; the diagonal
ones are kept aside. So a new diagonal costs n³/3 operations for the factor and as many for its inverse.
Everything halves its problem until a block is left, so that nearly all work is in few, large matrix products:
they run at full speed on a CPU and on CUDA alike, and on a busy machine threads seldom wait for each other.
(LAPACK does it in one triangle too, on one thread a sixth to two fifths faster; but its threads wait so often
that on two cores shared with others it takes several times as long: `benchmarks/factor.py`.)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightprobe.errors import OptionError
from lightprobe.ridge.loo import Floats, Indices

BLOCK = 512


class IllConditionedError(OptionError):
    """The penalty is too small for the system to be solved in double precision."""


class _NotPositiveDefiniteError(ArithmeticError):
    """There is no factor in double precision."""


def double_device(name: str) -> str:
    """Return the device, as torch names it, that has double precision: the CPU in place of `mps`.

    `auto` is CUDA where there is one.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cpu" if name.startswith("mps") else name


class Cholesky:
    """Factors of one symmetric matrix, one diagonal at a time.

    Parameters
    ----------
    G : (n, n) float64, symmetric, in C order
        On a CPU it is used as working memory.
    device : str
        Where to compute, as torch names it.
    """

    def __init__(self, G: Floats, device: str = "cpu") -> None:
        self._matrix = torch.from_numpy(G).to(device)
        n = len(G)
        self._blocks = [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]
        self._corners = [self._matrix[rows, rows].clone() for rows in self._blocks]

    def factorise(self, diagonal: Floats, alpha_relative: float) -> None:
        """Factor the matrix with this diagonal (n,), that of a relative penalty, in place of its own.

        Raises
        ------
        IllConditionedError
            There is no factor; another diagonal may follow.
        """
        matrix, own = self._matrix, self._there(diagonal)
        for rows, corner in zip(self._blocks, self._corners, strict=True):
            matrix[rows, rows] = corner
            matrix[rows, rows].diagonal().copy_(own[rows])
            matrix[rows, rows.stop :] = matrix[rows.stop :, rows].T
        try:
            _factor(matrix)
        except _NotPositiveDefiniteError as error:
            raise IllConditionedError(
                f"A relative alpha of {alpha_relative:.3g} is too small for double precision; "
                "use a larger one."
            ) from error

    def solve(self, B: Floats) -> Floats:
        """(G + D)⁻¹B, for B (n, c)."""
        solved = self._there(B)
        _solve_transposed(self._matrix, solved)
        _solve(self._matrix, solved)
        return solved.cpu().numpy()

    def inner_products(self, B: Floats) -> tuple[Floats, Callable[[Indices], Floats]]:
        """Diagonal (c,) of Bᵀ(G + D)⁻¹B, for B (n, c), and a function that gives its blocks."""
        half = self._there(B)
        _solve_transposed(self._matrix, half)

        def block(columns: Indices) -> Floats:
            chosen = half[:, self._there(columns)]
            return (chosen.T @ chosen).cpu().numpy()

        return half.square().sum(dim=0).cpu().numpy(), block

    def invert(self) -> None:
        """Replace U by its inverse; nothing can be solved then until the next factorisation."""
        _invert(self._matrix)

    def times_inverse(self, B: Floats) -> Floats:
        """(G + D)⁻¹B, for B (n, c), after `invert`."""
        right = self._there(B)
        half, product = torch.zeros_like(right), torch.empty_like(right)
        for rows in self._blocks:
            half[rows.start :].addmm_(self._matrix[rows, rows.start :].T, right[rows])
        for rows in self._blocks:
            product[rows] = self._matrix[rows, rows.start :] @ half[rows.start :]
        return product.cpu().numpy()

    def inverse_diagonal(self) -> Floats:
        """Diagonal (n,) of (G + D)⁻¹, after `invert`."""
        squares = [self._matrix[rows, rows.start :].square().sum(dim=1) for rows in self._blocks]
        return torch.cat(squares).cpu().numpy()

    def inverse_block(self, rows: Indices) -> Floats:
        """Return the rows and columns `rows` of (G + D)⁻¹, after `invert`."""
        chosen = self._there(rows)
        right = torch.arange(len(self._matrix), device=chosen.device) >= chosen[:, None]
        inverse = torch.where(right, self._matrix[chosen], 0.0)
        return (inverse @ inverse.T).cpu().numpy()

    def _there(self, array: NDArray[Any]) -> torch.Tensor:
        """Copy an array to where the matrix is."""
        return torch.from_numpy(np.array(array, order="C")).to(self._matrix.device)


# In what follows U is the square view of an upper triangle of blocks; the blocks below are never touched.


def _half(U: torch.Tensor) -> int:
    """Where to part a matrix of several blocks: after about half of them."""
    return -(-len(U) // BLOCK) // 2 * BLOCK


def _factor(U: torch.Tensor) -> None:
    """Replace a symmetric matrix by its factor."""
    if len(U) <= BLOCK:
        upper, info = torch.linalg.cholesky_ex(U, upper=True)
        if info.item() != 0:
            raise _NotPositiveDefiniteError
        U.copy_(upper)
        return
    half = _half(U)
    _factor(U[:half, :half])
    _solve_transposed(U[:half, :half], U[:half, half:])
    _subtract_square(U[half:, half:], U[:half, half:])
    _factor(U[half:, half:])


def _subtract_square(U: torch.Tensor, P: torch.Tensor) -> None:
    """U ← U − PᵀP."""
    if len(U) <= BLOCK:
        U.addmm_(P.T, P, alpha=-1)
        return
    half = _half(U)
    U[:half, half:].addmm_(P[:, :half].T, P[:, half:], alpha=-1)
    _subtract_square(U[:half, :half], P[:, :half])
    _subtract_square(U[half:, half:], P[:, half:])


def _solve_transposed(U: torch.Tensor, B: torch.Tensor) -> None:
    """B ← U⁻ᵀB; so Bᵀ ← BᵀU⁻¹."""
    if len(U) <= BLOCK:
        B.copy_(torch.linalg.solve_triangular(U.T, B, upper=False))
        return
    half = _half(U)
    _solve_transposed(U[:half, :half], B[:half])
    B[half:].addmm_(U[:half, half:].T, B[:half], alpha=-1)
    _solve_transposed(U[half:, half:], B[half:])


def _solve(U: torch.Tensor, B: torch.Tensor) -> None:
    """B ← U⁻¹B."""
    if len(U) <= BLOCK:
        B.copy_(torch.linalg.solve_triangular(U, B, upper=True))
        return
    half = _half(U)
    _solve(U[half:, half:], B[half:])
    B[:half].addmm_(U[:half, half:], B[half:], alpha=-1)
    _solve(U[:half, :half], B[:half])


def _invert(U: torch.Tensor) -> None:
    """U ← U⁻¹, whose corner is −U₁₁⁻¹U₁₂U₂₂⁻¹."""
    if len(U) <= BLOCK:
        identity = torch.eye(len(U), dtype=U.dtype, device=U.device)
        U.copy_(torch.linalg.solve_triangular(U, identity, upper=True).triu())
        return
    half = _half(U)
    corner = U[:half, half:]
    _solve(U[:half, :half], corner)
    _solve_transposed(U[half:, half:], corner.neg_().T)
    _invert(U[:half, :half])
    _invert(U[half:, half:])
