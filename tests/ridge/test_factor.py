"""Factors of one matrix with several diagonals, against NumPy's inverse."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lightprobe.ridge import factor as factor_module
from lightprobe.ridge.factor import Cholesky, NotPositiveDefiniteError

Floats = NDArray[np.float64]
N = 70


@pytest.fixture(name="G", params=[16, 512], ids=["blocks", "one block"])
def symmetric_matrix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Floats:
    monkeypatch.setattr(factor_module, "BLOCK", request.param)
    A = np.random.default_rng(0).standard_normal((N, N))
    return A @ A.T


def test_each_diagonal_gives_its_own_inverse(G: Floats) -> None:
    factor = Cholesky(G.copy())
    B = torch.from_numpy(np.random.default_rng(1).standard_normal((N, 3)))
    for shift in (100.0, 1.0, 10.0):
        factor.factorise(np.diagonal(G) + shift)
        inverse = np.linalg.inv(G + shift * np.eye(N))
        np.testing.assert_allclose(factor.solve(B), inverse @ B.numpy(), atol=1e-12)
        half = factor.half_solve(B)
        np.testing.assert_allclose(half.T @ half, B.numpy().T @ inverse @ B.numpy(), atol=1e-12)
        factor.invert()
        np.testing.assert_allclose(factor.times_inverse(B), inverse @ B.numpy(), atol=1e-12)
        np.testing.assert_allclose(factor.inverse_diagonal(), np.diagonal(inverse), atol=1e-12)
        rows = np.array([3, 0, 69, 17])
        np.testing.assert_allclose(factor.inverse_block(rows), inverse[np.ix_(rows, rows)], atol=1e-12)


def test_what_is_solved_for_is_left_alone(G: Floats) -> None:
    factor, B = Cholesky(G.copy()), torch.ones((N, 2), dtype=torch.float64)
    factor.factorise(np.diagonal(G) + 1)
    factor.solve(B)
    assert (B == 1).all()


def test_the_factor_takes_the_memory_it_was_given(G: Floats) -> None:
    before = G.copy()
    Cholesky(G).factorise(np.diagonal(G) + 1)
    assert not np.array_equal(G, before)


def test_a_matrix_without_a_factor_is_said_and_the_next_one_works(G: Floats) -> None:
    factor = Cholesky(G.copy())
    with pytest.raises(NotPositiveDefiniteError):
        factor.factorise(np.diagonal(G) - 1000)
    factor.factorise(np.diagonal(G) + 1)
    identity = torch.eye(N, dtype=torch.float64)
    np.testing.assert_allclose(factor.solve(identity), np.linalg.inv(G + np.eye(N)), atol=1e-10)


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives(G: Floats) -> None:
    identity = torch.eye(N, dtype=torch.float64)
    inverses = []
    for device in ("cpu", "cuda"):
        factor = Cholesky(G.copy(), device)
        factor.factorise(np.diagonal(G) + 1)
        inverses.append(factor.solve(identity).cpu().numpy())
        factor.invert()
        np.testing.assert_allclose(factor.times_inverse(identity).cpu(), inverses[-1], atol=1e-11)
        np.testing.assert_allclose(factor.inverse_diagonal(), np.diagonal(inverses[-1]), atol=1e-11)
    np.testing.assert_allclose(inverses[1], inverses[0], atol=1e-11)
