"""Cholesky factors of one symmetric matrix with many different diagonals, in the memory of that matrix.

    G + D = UᵀU, U upper triangular

The matrix is cut into blocks. Those below the diagonal keep G; those above take U and later its inverse; the
diagonal ones are kept aside. So a new diagonal costs n³/3 operations for the factor and as many for its
inverse, nearly all of them in large matrix products, which run at full speed on a CPU and on CUDA alike.
(LAPACK would need a second matrix to keep G, and its threads wait for each other so often that on a busy
machine it has been seen to take ten times as long.)
"""

import torch

from lightprobe.ridge.loo import Floats, Indices

BLOCK = 512


class NotPositiveDefiniteError(ArithmeticError):
    """The matrix with this diagonal has no Cholesky factor in double precision."""


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

    def factorise(self, diagonal: Floats) -> None:
        """Factor the matrix with this diagonal (n,) in place of its own.

        Raises
        ------
        NotPositiveDefiniteError
            There is no factor; another diagonal may follow.
        """
        matrix = self._matrix
        own = torch.from_numpy(diagonal).to(matrix.device)
        for rows, corner in zip(self._blocks, self._corners, strict=True):
            matrix[rows, rows] = corner
            matrix[rows, rows].diagonal().copy_(own[rows])
            matrix[rows, rows.stop :] = matrix[rows.stop :, rows].T
        for i, rows in enumerate(self._blocks):
            upper, info = torch.linalg.cholesky_ex(matrix[rows, rows], upper=True)
            if info.item() != 0:
                raise NotPositiveDefiniteError
            matrix[rows, rows] = upper
            right = matrix[rows, rows.stop :]
            right.copy_(torch.linalg.solve_triangular(upper.T, right, upper=False))
            for below in self._blocks[i + 1 :]:
                rest = matrix[below, below.start :]
                rest.addmm_(matrix[rows, below].T, matrix[rows, below.start :], alpha=-1)

    def half_solve(self, B: torch.Tensor) -> torch.Tensor:
        """U⁻ᵀB for B (n, c): inner products of its columns are those of B in the metric of (G + D)⁻¹."""
        solved = B.to(self._matrix.device, copy=True)
        for rows in self._blocks:
            upper = self._matrix[rows, rows]
            solved[rows] = torch.linalg.solve_triangular(upper.T, solved[rows], upper=False)
            solved[rows.stop :].addmm_(self._matrix[rows, rows.stop :].T, solved[rows], alpha=-1)
        return solved

    def solve(self, B: torch.Tensor) -> torch.Tensor:
        """(G + D)⁻¹B, for B (n, c)."""
        solved = self.half_solve(B)
        for rows in reversed(self._blocks):
            solved[rows].addmm_(self._matrix[rows, rows.stop :], solved[rows.stop :], alpha=-1)
            upper = self._matrix[rows, rows]
            solved[rows] = torch.linalg.solve_triangular(upper, solved[rows], upper=True)
        return solved

    def invert(self) -> None:
        """Replace U by its inverse; nothing can be solved then until the next factorisation."""
        for j, columns in enumerate(self._blocks):
            upper = self._matrix[columns, columns]
            identity = torch.eye(len(upper), dtype=upper.dtype, device=upper.device)
            inverse = torch.linalg.solve_triangular(upper, identity, upper=True).triu()
            for rows in self._blocks[:j]:
                between = slice(rows.start, columns.start)
                product = self._matrix[rows, between] @ self._matrix[between, columns]
                self._matrix[rows, columns] = -(product @ inverse)
            self._matrix[columns, columns] = inverse

    def inverse_diagonal(self) -> Floats:
        """Diagonal (n,) of (G + D)⁻¹, after `invert`."""
        squares = [self._matrix[rows, rows.start :].square().sum(dim=1) for rows in self._blocks]
        diagonal: Floats = torch.cat(squares).cpu().numpy()
        return diagonal

    def inverse_block(self, rows: Indices) -> Floats:
        """Return the rows and columns `rows` of (G + D)⁻¹, after `invert`."""
        chosen = torch.from_numpy(rows).to(self._matrix.device)
        right = torch.arange(len(self._matrix), device=chosen.device) >= chosen[:, None]
        inverse = torch.where(right, self._matrix[chosen], 0.0)
        block: Floats = (inverse @ inverse.T).cpu().numpy()
        return block
