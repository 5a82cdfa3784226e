"""Kernels against plain integer arithmetic and against random features drawn one by one."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lightprobe.devices import TORCH_CPU
from lightprobe.errors import OptionError
from lightprobe.optics import kernel as kernel_module
from lightprobe.optics import products as products_module
from lightprobe.optics.compiled import count_shared
from lightprobe.optics.kernel import OpticalAgainst, linear_kernel, optical_kernel, sum_kernels
from lightprobe.optics.products import squared_lengths

FLOATS = [np.float16, np.float32, np.float64]


def exact(X: NDArray[np.uint8], Y: NDArray[np.uint8]) -> NDArray[np.float64]:
    return (X.astype(np.int64) @ Y.T.astype(np.int64)).astype(np.float64)


def rows(n: int, m: int, highest: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, highest + 1, (n, m)).astype(np.uint8)


@pytest.mark.parametrize("highest", [1, 2, 255])
@pytest.mark.parametrize(("n", "others", "m"), [(1, 1, 1), (3, 7, 5), (33, 70, 1001), (64, 5, 4096)])
def test_integers_are_exact(highest: int, n: int, others: int, m: int) -> None:
    X, Y = rows(n, m, highest), rows(others, m, highest, seed=1)
    np.testing.assert_array_equal(linear_kernel(X, Y), exact(X, Y))
    np.testing.assert_array_equal(linear_kernel(X), exact(X, X))
    np.testing.assert_array_equal(squared_lengths(X), np.diagonal(exact(X, X)))


@pytest.mark.parametrize(("n", "others", "m"), [(1, 1, 1), (3, 7, 65), (33, 70, 1001), (9, 2, 90_000)])
def test_counted_bits_are_exact_too(n: int, others: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products_module, "COUNTING_WORK", 0)
    monkeypatch.setattr(products_module, "GRAM_ROWS", 10)  # blocks start where no tile does
    X, Y = rows(n, m, 1), rows(others, m, 1, seed=1)
    np.testing.assert_array_equal(linear_kernel(X, Y), exact(X, Y))
    np.testing.assert_array_equal(linear_kernel(X), exact(X, X))
    np.testing.assert_array_equal(OpticalAgainst(Y, n)(X), optical_kernel(X, Y))
    ones = np.ones((n, m), dtype=np.uint8)
    np.testing.assert_array_equal(linear_kernel(ones), np.full((n, n), float(m)))
    assert count_shared.signatures, "the compiled loops were not used"


def test_bytes_among_bits_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products_module, "COUNTING_WORK", 0)
    X, Y = rows(5, 70, 255), rows(6, 70, 1)
    np.testing.assert_array_equal(linear_kernel(X, Y), exact(X, Y))
    np.testing.assert_array_equal(linear_kernel(Y, X), exact(Y, X))


@pytest.mark.parametrize(("value", "m"), [(1, 200_000), (255, 33_026), (255, 300_000), (128, 140_000)])
def test_rows_of_the_highest_value_overflow_nothing(value: int, m: int) -> None:
    X = np.full((3, m), value, dtype=np.uint8)
    np.testing.assert_array_equal(linear_kernel(X), np.full((3, 3), float(value**2 * m)))
    np.testing.assert_array_equal(linear_kernel(X, X[:2]), np.full((3, 2), float(value**2 * m)))
    np.testing.assert_array_equal(optical_kernel(X[:1]), [[2.0 * (value**2 * m) ** 2]])


def test_the_optical_kernel_of_bits_is_exact() -> None:
    X, Y = rows(20, 90_001, 1), rows(10, 90_001, 1, seed=1)
    counts = X.sum(axis=1, dtype=int)[:, None] * Y.sum(axis=1, dtype=int)
    np.testing.assert_array_equal(optical_kernel(X, Y), counts + exact(X, Y) ** 2)


@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_agree_with_double_precision(dtype: type) -> None:
    rng = np.random.default_rng(0)
    X: NDArray[Any] = rng.standard_normal((30, 9000)).astype(dtype)
    Y: NDArray[Any] = rng.standard_normal((8, 9000)).astype(dtype)
    tolerance = 1e-9 if dtype is np.float64 else 2e-3
    expected = X.astype(float) @ Y.astype(float).T
    np.testing.assert_allclose(linear_kernel(X, Y), expected, atol=tolerance)
    np.testing.assert_allclose(
        linear_kernel(X), X.astype(float) @ X.astype(float).T, rtol=1e-6, atol=tolerance
    )
    np.testing.assert_allclose(squared_lengths(X), (X.astype(float) ** 2).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_random_features_converge_to_the_optical_kernel(degree: int) -> None:
    """E |x·r|^(2s) |y·r|^(2s) over a million draws of r, to five standard errors."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 3))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    R = (rng.standard_normal((3, 1_000_000)) + 1j * rng.standard_normal((3, 1_000_000))) / np.sqrt(2)
    features = np.abs(X @ R) ** (2 * degree)
    for i in range(4):
        for j in range(4):
            draws = features[i] * features[j]
            error = draws.std() / np.sqrt(draws.size)
            assert abs(draws.mean() - optical_kernel(X, degree=degree)[i, j]) < 5 * error


@pytest.mark.parametrize("dtype", [np.uint8, *FLOATS])
@pytest.mark.parametrize("kernel", [linear_kernel, optical_kernel])
def test_blocks_change_nothing(dtype: type, kernel: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(kernel)
    X: NDArray[Any] = rows(50, 40, 3).astype(dtype)
    whole, against = kernel(X), kernel(X, X[:13])
    monkeypatch.setattr(products_module, "GRAM_ROWS", 8)
    monkeypatch.setattr(kernel_module, "OPTICAL_ROWS", 5)
    monkeypatch.setattr(products_module, "BLOCK_ROWS", 6)
    monkeypatch.setattr(products_module, "FLOAT_COLUMNS", 16)
    monkeypatch.setattr(products_module, "BYTE_COLUMNS", 16)
    np.testing.assert_array_equal(kernel(X), whole)
    np.testing.assert_array_equal(kernel(X, X[:13]), against)
    np.testing.assert_array_equal(kernel(X)[:, :13], against)


@pytest.mark.parametrize("dtype", [np.uint8, *FLOATS])
@pytest.mark.parametrize(
    "device", [pytest.param(TORCH_CPU, marks=pytest.mark.torch), pytest.param("cuda", marks=pytest.mark.gpu)]
)
@pytest.mark.parametrize("highest", [1, 255])
def test_devices_multiply_as_numpy_does(dtype: type, device: str, highest: int) -> None:
    X: NDArray[Any] = rows(33, 5000, highest).astype(dtype)
    X.setflags(write=False)
    for Y in (None, X[:7]):
        product = linear_kernel(X, Y, device=device)
        assert isinstance(product, np.ndarray)
        np.testing.assert_allclose(product, linear_kernel(X, Y), rtol=0 if dtype is np.uint8 else 1e-5)


def test_read_only_rows_are_taken_without_a_warning() -> None:
    X = rows(4, 10, 1)
    X.setflags(write=False)
    np.testing.assert_array_equal(linear_kernel(X), exact(X, X))


def test_kernels_that_are_summed_weigh_the_same() -> None:
    X, Z = (
        np.random.default_rng(0).standard_normal((30, 5)),
        100 * np.random.default_rng(1).standard_normal((30, 9)),
    )
    total, scales = sum_kernels([linear_kernel(X), linear_kernel(Z)])
    for F, scale in zip((X, Z), scales, strict=True):
        assert scale == pytest.approx(((F - F.mean(axis=0)) ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(total, X @ X.T / scales[0] + Z @ Z.T / scales[1])
    again, _ = sum_kernels([linear_kernel(X, X[:3]), linear_kernel(Z, Z[:3])], scales)
    np.testing.assert_allclose(again, total[:, :3])


def test_rows_that_cannot_be_multiplied_are_refused() -> None:
    X = np.ones((2, 3), dtype=np.float32)
    with pytest.raises(OptionError, match="float32 and uint8"):
        linear_kernel(X, np.ones((2, 3), dtype=np.uint8))
    with pytest.raises(OptionError, match="int64"):
        linear_kernel(np.ones((2, 3), dtype=np.int64))
    with pytest.raises(OptionError, match="same columns"):
        optical_kernel(X, X[:, :2])
    with pytest.raises(OptionError, match="degree is 0"):
        optical_kernel(X, degree=0)
