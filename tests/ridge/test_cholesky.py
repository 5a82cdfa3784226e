"""Factors of one matrix with several diagonals, against NumPy's inverse."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.ridge import cholesky as cholesky_module
from lightprobe.ridge import double_device
from lightprobe.ridge.cholesky import Cholesky, IllConditionedError

Floats = NDArray[np.float64]
N = 70


@pytest.fixture(name="G", params=[16, 512], ids=["blocks", "one block"])
def symmetric_matrix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Floats:
    monkeypatch.setattr(cholesky_module, "BLOCK", request.param)
    A = np.random.default_rng(0).standard_normal((N, N))
    return A @ A.T


def test_each_diagonal_gives_its_own_inverse(G: Floats) -> None:
    factor = Cholesky(G.copy())
    B = np.random.default_rng(1).standard_normal((N, 3))
    rows = np.array([3, 0, 69, 17])
    for shift in (100.0, 1.0, 10.0):
        factor.factorise(np.diagonal(G) + shift, shift)
        inverse = np.linalg.inv(G + shift * np.eye(N))
        np.testing.assert_allclose(factor.solve(B), inverse @ B, atol=1e-12)
        squares, block = factor.inner_products(B)
        expected = B.T @ inverse @ B
        np.testing.assert_allclose(squares, np.diagonal(expected), atol=1e-12)
        np.testing.assert_allclose(block(np.array([2, 0])), expected[np.ix_([2, 0], [2, 0])], atol=1e-12)
        factor.invert()
        np.testing.assert_allclose(factor.times_inverse(B), inverse @ B, atol=1e-12)
        np.testing.assert_allclose(factor.inverse_diagonal(), np.diagonal(inverse), atol=1e-12)
        np.testing.assert_allclose(factor.inverse_block(rows), inverse[np.ix_(rows, rows)], atol=1e-12)


def test_what_is_solved_for_is_left_alone(G: Floats) -> None:
    factor, B = Cholesky(G.copy()), np.ones((N, 2))
    factor.factorise(np.diagonal(G) + 1, 1.0)
    factor.solve(B)
    factor.inner_products(B)
    assert (B == 1).all()


def test_the_factor_takes_the_memory_it_was_given(G: Floats) -> None:
    before = G.copy()
    Cholesky(G).factorise(np.diagonal(G) + 1, 1.0)
    assert not np.array_equal(G, before)


def test_a_matrix_without_a_factor_is_said_and_the_next_one_works(G: Floats) -> None:
    factor = Cholesky(G.copy())
    with pytest.raises(IllConditionedError, match="alpha of 1e-09 is too small"):
        factor.factorise(np.diagonal(G) - 1000, 1e-9)
    factor.factorise(np.diagonal(G) + 1, 1.0)
    np.testing.assert_allclose(factor.solve(np.eye(N)), np.linalg.inv(G + np.eye(N)), atol=1e-10)


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives(G: Floats) -> None:
    inverses = []
    for device in ("cpu", "cuda"):
        factor = Cholesky(G.copy(), device)
        factor.factorise(np.diagonal(G) + 1, 1.0)
        inverses.append(factor.solve(np.eye(N)))
        factor.invert()
        np.testing.assert_allclose(factor.times_inverse(np.eye(N)), inverses[-1], atol=1e-11)
        np.testing.assert_allclose(factor.inverse_diagonal(), np.diagonal(inverses[-1]), atol=1e-11)
    np.testing.assert_allclose(inverses[1], inverses[0], atol=1e-11)


@pytest.mark.parametrize(
    ("name", "cuda", "expected"),
    [
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("mps", False, "cpu"),
        ("cuda:1", True, "cuda:1"),
        ("cpu", True, "cpu"),
    ],
)
def test_doubles_are_on_the_device_that_is_named_if_it_has_them(
    name: str, cuda: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    assert double_device(name) == expected
