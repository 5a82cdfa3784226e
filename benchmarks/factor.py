"""Factor and inverse of one matrix for several diagonals: the package's recursion against LAPACK and torch.

    python benchmarks/factor.py [--rows 2000 3000 5000] [--repeats 5] [--json]

recursive   as the package does it: halving down to small blocks, so that all but those are matrix products
lapack      SciPy's dpotrf and dpotri in one triangle, the matrix kept in the other
triangle    dpotrf and dtrtri, which leaves the factor's inverse: a third less arithmetic, as recursive has it
one_thread  the same, with the library kept to one thread
torch       torch.linalg, with a second matrix

The arms take turns at each repeat, so that whatever else the machine does meets all of them alike; printed
are medians of the seconds a diagonal, and of the ratios within a repeat. OMP_NUM_THREADS sets the threads.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri, dtrtri
from threadpoolctl import ThreadpoolController

from lightprobe.ridge import Cholesky

TILE = 256  # rows and columns that are copied at a time
Floats = NDArray[np.float64]


class Recursive(Cholesky):
    """The package's own."""

    def inverse_of(self, diagonal: Floats) -> Floats:
        """Return the diagonal of (G + D)⁻¹."""
        self.factorise(diagonal, 1.0)
        self.invert()
        return self.inverse_diagonal()


class Lapack:
    """Factor, then its inverse or the whole one, below the diagonal; above it G, which is left alone."""

    def __init__(self, G: Floats, *, whole: bool) -> None:
        self._matrix, self._whole = G.T, whole  # in Fortran's order, and the same memory
        self._tiles = [slice(start, start + TILE) for start in range(0, len(G), TILE)]

    def inverse_of(self, diagonal: Floats) -> Floats:
        """Return the diagonal of (G + D)⁻¹."""
        L = self._matrix
        for i, rows in enumerate(self._tiles):
            L[rows, rows] = np.triu(L[rows, rows]) + np.triu(L[rows, rows], 1).T
            for columns in self._tiles[:i]:
                L[rows, columns] = L[columns, rows].T
        np.fill_diagonal(L, diagonal)
        dpotrf(L, lower=1, clean=0, overwrite_a=1)
        if self._whole:
            dpotri(L, lower=1, overwrite_c=1)
            return np.diagonal(L).copy()
        dtrtri(L, lower=1, overwrite_c=1)
        parts = [np.tril(L[columns.start :, columns]) for columns in self._tiles]
        return np.concatenate([np.einsum("ij,ij->j", part, part) for part in parts])


class OneThread(Lapack):
    """In one thread, whatever the library is set to."""

    def __init__(self, G: Floats) -> None:
        super().__init__(G, whole=False)
        self._libraries = ThreadpoolController()

    def inverse_of(self, diagonal: Floats) -> Floats:
        """Return the diagonal of (G + D)⁻¹."""
        with self._libraries.limit(limits=1, user_api="blas"):
            return super().inverse_of(diagonal)


class TorchLinalg:
    """torch's, with a second matrix."""

    def __init__(self, G: Floats) -> None:
        self._matrix = torch.from_numpy(G)

    def inverse_of(self, diagonal: Floats) -> Floats:
        """Return the diagonal of (G + D)⁻¹."""
        self._matrix.diagonal().copy_(torch.from_numpy(diagonal))
        inverse = torch.cholesky_inverse(torch.linalg.cholesky_ex(self._matrix)[0])
        return np.asarray(inverse.diagonal())


ARMS: dict[str, Callable[[Floats], Any]] = {
    "recursive": Recursive,
    "lapack": partial(Lapack, whole=True),
    "triangle": partial(Lapack, whole=False),
    "one_thread": OneThread,
    "torch": TorchLinalg,
}


def compare(n: int, repeats: int) -> dict[str, float]:
    """Time every arm on one matrix (n, n), at a new diagonal each repeat."""
    A = np.random.default_rng(0).standard_normal((n, n))
    G = A @ A.T
    arms = {name: arm(G.copy()) for name, arm in ARMS.items()}
    own = np.diagonal(G).copy()
    seconds: dict[str, list[float]] = {name: [] for name in ARMS}
    for repeat in range(repeats + 1):  # the first warms up
        answers = {}
        for name, arm in arms.items():
            start = time.perf_counter()
            answers[name] = arm.inverse_of(own + n * 2.0**-repeat)
            seconds[name].append(time.perf_counter() - start)
        for answer in answers.values():
            np.testing.assert_allclose(answer, answers["torch"], rtol=1e-9)
    timed = {name: np.array(each[1:]) for name, each in seconds.items()}
    result = {f"{name}_seconds": float(np.median(each)) for name, each in timed.items()}
    for name in list(ARMS)[1:]:
        result[f"{name}_over_recursive"] = float(np.median(timed[name] / timed["recursive"]))
    return {"n": n, **result}


def main() -> None:
    """Compare at each size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[2000, 3000, 5000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for n in arguments.rows:
        row = compare(n, arguments.repeats)
        print(json.dumps(row) if arguments.json else "  ".join(f"{k} {v:.3g}" for k, v in row.items()))


if __name__ == "__main__":
    main()
