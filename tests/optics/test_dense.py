"""The dense map against its definition, its kernel in closed form, and itself in other blocks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.devices import TORCH_CPU
from lightprobe.optics import dense
from lightprobe.optics.dense import complex_gaussian, dense_projection

Floats = NDArray[np.float32]


def closed_form(X: Floats) -> NDArray[np.float64]:
    rows = X.astype(np.float64)
    norms = (rows * rows).sum(1)
    kernel: NDArray[np.float64] = norms[:, None] * norms + (rows @ rows.T) ** 2
    return kernel


def medium(n_rows: int, n_columns: int, seed: int) -> NDArray[np.complex128]:
    """R, (n_columns, n_rows)."""
    real, imag = complex_gaussian(n_rows, 0, n_columns, seed).astype(np.float64)
    R: NDArray[np.complex128] = real + 1j * imag
    return R


@pytest.fixture
def rows() -> Floats:
    X = np.random.default_rng(0).standard_normal((5, 60)).astype(np.float32)
    X[1] = X[1] > 0
    X[2] = 1.0
    X[3] = 0.0
    X[3, 7] = 1.0
    return X


def test_entries_are_circular_complex_gaussians_of_unit_power() -> None:
    real, imag = complex_gaussian(1000, 0, 1000, seed=1).astype(np.float64)
    standard_error = 1e-3
    for part in (real, imag):
        assert abs(part.mean()) < 5 * standard_error * 0.5**0.5
        assert abs((part**2).mean() - 0.5) < 5 * standard_error * 0.5**0.5
        assert abs((part**4).mean() - 0.75) < 5 * standard_error * 6**0.5
    assert abs((real * imag).mean()) < 5 * standard_error * 0.5
    power = (real**2 + imag**2).ravel()
    shares = [(power > threshold).mean() for threshold in (1.0, 4.0)]
    np.testing.assert_allclose(shares, np.exp([-1.0, -4.0]), atol=5 * standard_error / 2)


def test_a_seed_makes_the_medium_it_has_always_made() -> None:
    block = complex_gaussian(1000, 5, 7, seed=42)
    first = [[0.1978717, -0.4926006, 1.6727502], [-0.1755480, -0.1950675, -0.5052143]]
    np.testing.assert_allclose(block[:, 0, :3], first, rtol=1e-5)
    np.testing.assert_allclose(block[:, 1, -1], [0.5948372, -0.7096619], rtol=1e-5)


def test_columns_and_rows_of_r_are_uncorrelated() -> None:
    R = medium(500, 400, seed=2)
    for gram, size in ((R @ R.conj().T, 500), (R.conj().T @ R, 400)):
        off_diagonal = np.abs(gram / size - np.diag(np.diag(gram / size)))
        assert off_diagonal.max() < 5 / size**0.5


def test_an_entry_does_not_depend_on_the_block_it_is_made_in() -> None:
    whole = complex_gaussian(300, 0, 700, seed=3)
    np.testing.assert_allclose(whole[:, 123:456], complex_gaussian(300, 123, 456, seed=3), rtol=1e-5)
    assert not np.array_equal(whole, complex_gaussian(300, 0, 700, seed=4))


def test_no_hash_gives_an_infinite_entry() -> None:
    extremes = np.array([0, -1, 2**63 - 1, -(2**63), 2**31, -(2**31), 2**32 - 1])
    real, imag = np.empty(7, np.float32), np.empty(7, np.float32)
    dense._polar(extremes, real, imag)
    assert np.isfinite(real).all()
    assert np.isfinite(imag).all()


def test_features_are_intensities_behind_r(rows: Floats) -> None:
    k = 40
    expected = np.abs(rows @ medium(60, k, seed=5).T) ** 2 / k**0.5
    features, generate_seconds = dense_projection(rows, k, seed=5)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    assert generate_seconds > 0


def test_the_kernel_is_unbiased_and_its_error_falls_as_one_over_root_k(rows: Floats) -> None:
    exact = closed_form(rows)
    errors = []
    for k in (100, 1600):
        features = (dense_projection(rows, k, s)[0].astype(np.float64) for s in range(80))
        grams = np.stack([f @ f.T for f in features])
        standard_error = grams.std(0, ddof=1) / 80**0.5
        assert (np.abs(grams.mean(0) - exact) < 4.5 * standard_error).all()
        errors.append((((grams - exact) / np.diagonal(exact).mean()) ** 2).mean() ** 0.5)
    assert 3.3 < errors[0] / errors[1] < 4.8  # √16 = 4


def test_batches_and_blocks_change_nothing(rows: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = dense_projection(rows, 100, seed=6)
    one_by_one, _ = dense_projection(rows, 100, seed=6, batch_size=1)
    np.testing.assert_allclose(one_by_one, expected, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(dense, "_CPU_BLOCK_BYTES", 8 * 60 * 17)
    narrow, _ = dense_projection(rows, 100, seed=6)
    np.testing.assert_allclose(narrow, expected, rtol=1e-5, atol=1e-5)


def test_rows_of_ones_do_not_overflow() -> None:
    m = 90_000
    X = np.ones((1, m), dtype=np.uint8)
    features, _ = dense_projection(X, 64, seed=7)
    expected = np.abs(medium(m, 64, seed=7).sum(1)) ** 2 / 8
    np.testing.assert_allclose(features[0], expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    "device",
    [pytest.param(TORCH_CPU, marks=pytest.mark.torch), pytest.param("cuda", marks=pytest.mark.gpu)],
)
def test_devices_make_the_same_features(rows: Floats, device: str) -> None:
    for X, packed_bits in ((rows, None), (np.packbits(rows > 0, axis=1), 60)):
        expected, _ = dense_projection(X, 500, seed=8, packed_bits=packed_bits, levels=3)
        features, _ = dense_projection(X, 500, seed=8, packed_bits=packed_bits, levels=3, device=device)
        assert isinstance(features, np.ndarray)
        assert (features != expected).mean() < 1e-2  # an intensity just at a half
        expected, _ = dense_projection(X, 500, seed=8, packed_bits=packed_bits)
        features, _ = dense_projection(X, 500, seed=8, packed_bits=packed_bits, device=device)
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.torch
def test_tensors_come_back_as_tensors(rows: Floats) -> None:
    import torch

    features, _ = dense_projection(torch.from_numpy(rows), 50, seed=8)
    assert isinstance(features, torch.Tensor)
    np.testing.assert_allclose(features.numpy(), dense_projection(rows, 50, seed=8)[0], rtol=1e-4, atol=1e-5)
