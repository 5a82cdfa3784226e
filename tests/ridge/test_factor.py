"""Factors on the host and on a device, against NumPy's inverse."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lightprobe.ridge import factor as factor_module
from lightprobe.ridge.factor import Factor, NotPositiveDefiniteError, factor_of

Floats = NDArray[np.float64]
N = 70


def on_device(G: Floats) -> Factor:
    """The CUDA code, which runs on any torch device."""
    return factor_module._DeviceFactor(G, "cpu")


def on_host(G: Floats) -> Factor:
    return factor_of(G, "cpu")


@pytest.fixture(params=[on_host, on_device])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Floats], Factor]:
    monkeypatch.setattr(factor_module, "BLOCK", 16)  # several blocks, the last one not full
    make: Callable[[Floats], Factor] = request.param
    return make


@pytest.fixture(name="G")
def symmetric_matrix() -> Floats:
    A = np.random.default_rng(0).standard_normal((N, N))
    return A @ A.T


def test_each_diagonal_gives_its_own_inverse(make: Callable[[Floats], Factor], G: Floats) -> None:
    factor = make(G.copy())
    B = np.random.default_rng(1).standard_normal((N, 3))
    for shift in (100.0, 1.0, 10.0):
        shifted = G + shift * np.eye(N)
        factor.factorise(np.diagonal(G) + shift)
        np.testing.assert_allclose(factor.solve(B), np.linalg.solve(shifted, B), atol=1e-12)
        np.testing.assert_allclose(np.linalg.cholesky(shifted) @ factor.half_solve(B.copy()), B, atol=1e-10)
        factor.invert()
        inverse = np.linalg.inv(shifted)
        np.testing.assert_allclose(factor.inverse_diagonal(), np.diagonal(inverse), atol=1e-12)
        columns = factor.inverse_columns(np.array([3, 0, 69]))
        np.testing.assert_allclose(columns.T @ columns, inverse[np.ix_([3, 0, 69], [3, 0, 69])], atol=1e-12)


def test_the_host_works_in_the_memory_it_was_given(G: Floats) -> None:
    factor = factor_of(G, "cpu")
    factor.factorise(np.diagonal(G) + 1)
    assert np.shares_memory(factor._matrix, G)  # type: ignore[attr-defined]  # the memory promise itself


def test_a_matrix_without_a_factor_is_said_and_the_next_one_works(
    make: Callable[[Floats], Factor], G: Floats
) -> None:
    factor = make(G.copy())
    with pytest.raises(NotPositiveDefiniteError):
        factor.factorise(np.diagonal(G) - 1000)
    factor.factorise(np.diagonal(G) + 1)
    np.testing.assert_allclose(factor.solve(np.eye(N)), np.linalg.inv(G + np.eye(N)), atol=1e-10)


@pytest.mark.gpu
def test_cuda_gives_what_the_host_gives(G: Floats) -> None:
    assert torch.cuda.is_available()
    host, device = factor_of(G.copy(), "cpu"), factor_of(G.copy(), "cuda")
    for factor in (host, device):
        factor.factorise(np.diagonal(G) + 1)
    np.testing.assert_allclose(device.solve(np.eye(N)), host.solve(np.eye(N)), atol=1e-11)
