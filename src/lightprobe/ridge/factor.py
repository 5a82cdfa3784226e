"""Cholesky factors of one symmetric matrix with many different diagonals, in the memory of that matrix.

The matrix is held once: its upper triangle keeps it, the lower one takes the factor L (G = LLᵀ) and then its
inverse. A new diagonal costs a copy of the triangle and the factorisation, n³/3; the inverse as much again.
On CUDA the factor lives on the device.
"""

from typing import Protocol

import numpy as np
import torch
from scipy.linalg import blas, lapack

from lightprobe.ridge.loo import Floats, Indices

BLOCK = 512


class NotPositiveDefiniteError(ArithmeticError):
    """The matrix with this diagonal has no Cholesky factor in double precision."""


class Factor(Protocol):
    """What the solvers ask of a factor."""

    def factorise(self, diagonal: Floats) -> None:
        """Factor the matrix with this diagonal (n,) in place of its own."""

    def solve(self, B: Floats) -> Floats:
        """G⁻¹B, for B (n, c)."""

    def half_solve(self, B: Floats) -> Floats:
        """L⁻¹B, for B (n, c), which may be overwritten."""

    def invert(self) -> None:
        """Replace L by its inverse; `solve` and `half_solve` then wait for the next factorisation."""

    def inverse_diagonal(self) -> Floats:
        """Diagonal (n,) of G⁻¹, after `invert`."""

    def inverse_columns(self, columns: Indices) -> Floats:
        """Columns of L⁻¹, (n, len(columns)), after `invert`; G⁻¹ is their inner products."""


def factor_of(G: Floats, device: str) -> Factor:
    """Prepare to factor G (n, n), symmetric and C-ordered, which is used as working memory."""
    return _DeviceFactor(G, device) if device.startswith("cuda") else _HostFactor(G)


class _HostFactor:
    def __init__(self, G: Floats) -> None:
        # LAPACK reads columns first: this view is in its order, and its lower triangle is G's upper one.
        self._matrix = G.T

    def factorise(self, diagonal: Floats) -> None:
        mirror_upper(self._matrix)
        np.fill_diagonal(self._matrix, diagonal)
        self._matrix, info = lapack.dpotrf(self._matrix, lower=1, clean=0, overwrite_a=1)
        if info != 0:
            raise NotPositiveDefiniteError

    def solve(self, B: Floats) -> Floats:
        return np.ascontiguousarray(lapack.dpotrs(self._matrix, B, lower=1)[0])

    def half_solve(self, B: Floats) -> Floats:
        solved: Floats = blas.dtrsm(1.0, self._matrix, B, lower=1, overwrite_b=1)
        return solved

    def invert(self) -> None:
        self._matrix, _ = lapack.dtrtri(self._matrix, lower=1, overwrite_c=1)

    def inverse_diagonal(self) -> Floats:
        n = len(self._matrix)
        diagonal = np.empty(n)
        for start in range(0, n, BLOCK):
            columns = self.inverse_columns(np.arange(start, min(start + BLOCK, n)))
            diagonal[start : start + BLOCK] = np.einsum("ij,ij->j", columns, columns)
        return diagonal

    def inverse_columns(self, columns: Indices) -> Floats:
        below = np.arange(len(self._matrix))[:, None] >= columns
        return np.where(below, self._matrix[:, columns], 0.0)


class _DeviceFactor:
    def __init__(self, G: Floats, device: str) -> None:
        self._matrix = torch.from_numpy(G).to(device)

    def factorise(self, diagonal: Floats) -> None:
        working = self._matrix.clone()
        working.diagonal().copy_(torch.from_numpy(diagonal))
        self._lower, info = torch.linalg.cholesky_ex(working)
        if info.item() != 0:
            raise NotPositiveDefiniteError

    def solve(self, B: Floats) -> Floats:
        return self._host(torch.cholesky_solve(self._device(B), self._lower))

    def half_solve(self, B: Floats) -> Floats:
        return self._host(torch.linalg.solve_triangular(self._lower, self._device(B), upper=False))

    def invert(self) -> None:
        identity = torch.eye(len(self._matrix), dtype=torch.float64, device=self._matrix.device)
        self._lower = torch.linalg.solve_triangular(self._lower, identity, upper=False)

    def inverse_diagonal(self) -> Floats:
        return self._host(self._lower.square().sum(dim=0))

    def inverse_columns(self, columns: Indices) -> Floats:
        return self._host(self._lower[:, torch.from_numpy(columns).to(self._lower.device)])

    def _device(self, B: Floats) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(B)).to(self._matrix.device)

    @staticmethod
    def _host(B: torch.Tensor) -> Floats:
        host: Floats = B.cpu().numpy()
        return host


def mirror_upper(matrix: Floats) -> None:
    """Copy the upper triangle of a square matrix onto its lower one, block by block."""
    n = len(matrix)
    for i in range(0, n, BLOCK):
        rows = slice(i, min(i + BLOCK, n))
        corner = matrix[rows, rows]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
        for j in range(0, i, BLOCK):
            columns = slice(j, j + BLOCK)
            matrix[rows, columns] = matrix[columns, rows].T
