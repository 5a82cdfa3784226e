"""Factors of one matrix with several diagonals, against NumPy's inverse."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.ridge import cholesky as cholesky_module
from lightprobe.ridge.cholesky import Cholesky, IllConditionedError

Floats = NDArray[np.float64]
N = 70


@pytest.fixture(name="G", params=[16, 128], ids=["blocks", "one block"])
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


@pytest.mark.parametrize(
    "device", [pytest.param("cpu:0", marks=pytest.mark.torch), pytest.param("cuda", marks=pytest.mark.gpu)]
)
def test_torch_gives_what_numpy_gives(G: Floats, device: str) -> None:
    rows = np.array([3, 0, 69, 17])
    answers = []
    for where in ("cpu", device):
        factor = Cholesky(G.copy(), where)
        with pytest.raises(IllConditionedError, match="too small"):
            factor.factorise(np.diagonal(G) - 1000, 1e-9)
        factor.factorise(np.diagonal(G) + 1, 1.0)
        squares, block = factor.inner_products(np.eye(N))
        solved, part = factor.solve(np.eye(N)), block(rows)
        factor.invert()
        inverse = factor.times_inverse(np.eye(N)), factor.inverse_diagonal(), factor.inverse_block(rows)
        answers.append((solved, squares, part, *inverse))
    for ours, theirs in zip(*answers, strict=True):
        assert isinstance(theirs, np.ndarray)
        np.testing.assert_allclose(theirs, ours, atol=1e-11)
