"""The dense map against its definition, its kernel in closed form, and itself in other blocks."""

import numpy as np
import pytest
import torch

from lightprobe.optics import dense
from lightprobe.optics.dense import complex_gaussian, dense_projection


def closed_form(X: torch.Tensor) -> torch.Tensor:
    X = X.double()
    norms = X.square().sum(1)
    return norms[:, None] * norms + (X @ X.T) ** 2


@pytest.fixture
def rows() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(5, 60, generator=generator)
    X[1] = (X[1] > 0).float()
    X[2] = 1.0
    X[3] = 0.0
    X[3, 7] = 1.0
    return X


def test_entries_are_circular_complex_gaussians_of_unit_power() -> None:
    real, imag = complex_gaussian(1000, 0, 1000, seed=1).double()
    standard_error = 1e-3
    for part in (real, imag):
        assert abs(part.mean()) < 5 * standard_error * 0.5**0.5
        assert abs(part.square().mean() - 0.5) < 5 * standard_error * 0.5**0.5
        assert abs((part**4).mean() - 0.75) < 5 * standard_error * 6**0.5
    assert abs((real * imag).mean()) < 5 * standard_error * 0.5
    power = (real.square() + imag.square()).flatten()
    shares = [(power > threshold).double().mean() for threshold in (1.0, 4.0)]
    np.testing.assert_allclose(shares, np.exp([-1.0, -4.0]), atol=5 * standard_error / 2)


def test_columns_and_rows_of_r_are_uncorrelated() -> None:
    R = torch.complex(*complex_gaussian(500, 0, 400, seed=2).double())
    for gram, size in ((R @ R.mH, 500), (R.mH @ R, 400)):
        off_diagonal = (gram / size - torch.diag(torch.diag(gram / size))).abs()
        assert off_diagonal.max() < 5 / size**0.5


def test_an_entry_does_not_depend_on_the_block_it_is_made_in() -> None:
    whole = complex_gaussian(300, 0, 700, seed=3)
    assert torch.equal(whole[:, 123:456], complex_gaussian(300, 123, 456, seed=3))
    assert not torch.equal(whole, complex_gaussian(300, 0, 700, seed=4))


def test_no_hash_gives_an_infinite_entry() -> None:
    extremes = torch.tensor([0, -1, 2**63 - 1, -(2**63), 2**31, -(2**31), 2**32 - 1])
    real, imag = torch.empty(7), torch.empty(7)
    dense._polar(extremes, real, imag)
    assert torch.isfinite(real).all()
    assert torch.isfinite(imag).all()


def test_features_are_intensities_behind_r(rows: torch.Tensor) -> None:
    k = 40
    R = torch.complex(*complex_gaussian(60, 0, k, seed=5).double()).T
    expected = (rows.double().to(R.dtype) @ R).abs() ** 2 / k**0.5
    features, generate_seconds = dense_projection(rows, k, seed=5)
    torch.testing.assert_close(features.double(), expected, rtol=1e-4, atol=1e-5)
    assert generate_seconds > 0


def test_the_kernel_is_unbiased_and_its_error_falls_as_one_over_root_k(rows: torch.Tensor) -> None:
    exact = closed_form(rows)
    errors = []
    for k in (100, 1600):
        grams = torch.stack([f @ f.T for f in (dense_projection(rows, k, s)[0].double() for s in range(80))])
        standard_error = grams.std(0) / 80**0.5
        assert ((grams.mean(0) - exact).abs() < 4.5 * standard_error).all()
        errors.append(((grams - exact) / exact.diagonal().mean()).square().mean().sqrt())
    assert 3.3 < errors[0] / errors[1] < 4.8  # √16 = 4


def test_batches_and_blocks_change_nothing(rows: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = dense_projection(rows, 100, seed=6)
    one_by_one, _ = dense_projection(rows, 100, seed=6, batch_size=1)
    torch.testing.assert_close(one_by_one, expected, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(dense, "_CPU_BLOCK_BYTES", 8 * 60 * 17)
    narrow, _ = dense_projection(rows, 100, seed=6)
    torch.testing.assert_close(narrow, expected, rtol=1e-5, atol=1e-5)


def test_rows_of_ones_do_not_overflow() -> None:
    m = 90_000
    X = torch.ones((1, m), dtype=torch.uint8)
    features, _ = dense_projection(X, 64, seed=7)
    R = complex_gaussian(m, 0, 64, seed=7).double()
    torch.testing.assert_close(features[0].double(), R.sum(2).square().sum(0) / 8, rtol=1e-3, atol=1e-2)


@pytest.mark.gpu
def test_a_gpu_makes_the_same_features(rows: torch.Tensor) -> None:
    expected, _ = dense_projection(rows, 500, seed=8)
    features, _ = dense_projection(rows.cuda(), 500, seed=8)
    torch.testing.assert_close(features.cpu(), expected, rtol=1e-4, atol=1e-5)
