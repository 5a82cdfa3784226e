"""The structured map against its matrix written out, its kernel in closed form, and a dense map's error."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import block_diag, hadamard

from lightprobe.devices import TORCH_CPU
from lightprobe.optics import structured
from lightprobe.optics.compiled import compiled
from lightprobe.optics.structured import Layout, diagonal_bits, structured_projection

N_SEEDS = 200


def pairs(m: int) -> dict[str, NDArray[np.float32]]:
    """Rows two by two: what photos look like, and what could go wrong."""
    rng = np.random.default_rng(0)
    single, two, block = (np.zeros((2, m), np.float32) for _ in range(3))
    single[[0, 1], [0, m - 1]] = 1
    two[0, :2] = two[1, [1, m // 2]] = 1
    block[0, : m // 8] = block[1, m // 16 : m // 4] = 1
    half = rng.random((2, m)) < 0.3
    return {
        "bits": half.astype(np.float32),
        "few bits": (rng.random((2, m)) < 20 / m).astype(np.float32) + single,
        "a single bit": single,
        "two neighbouring bits": two,
        "a block of bits": block,
        "ones": np.stack([np.ones(m, np.float32), half[0].astype(np.float32)]),
        "a Walsh function": np.stack([np.arange(m) // 4 % 2, np.arange(m) // 8 % 2]).astype(np.float32),
        "floats": rng.standard_normal((2, m)).astype(np.float32),
    }


def dense_variance(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """k · Var φ(x)·φ(y) of a dense map: fourth moments of two correlated complex Gaussians."""
    norms, squares = (X * X).sum(1), (X @ X.T) ** 2
    products = norms[:, None] * norms
    variance: NDArray[np.float64] = (
        4 * products**2 + 16 * products * squares + 4 * squares**2 - (products + squares) ** 2
    )
    return variance


def written_out(layout: Layout, m: int, k: int, seed: int) -> NDArray[np.complex128]:
    """R (k, m) as the module's docstring has it."""
    size, q, n_mixed, segments = layout
    length, mixed = size * q, size * n_mixed
    n_stacks = -(-k // mixed)
    bits = np.unpackbits(diagonal_bits(length, 2 + 2 * n_stacks, seed), axis=0, bitorder="little")
    signs = 2.0 * bits - 1
    H = block_diag(*[hadamard(size)] * q)
    M = np.zeros((length, length))
    step = size // segments
    for block in range(q):
        for t in range(segments):
            for i in range(t * step, (t + 1) * step):
                M[(block + t) % q * size + i, block * size + i] = 1
    z = H @ np.diag(signs[1]) @ M @ H @ np.diag(signs[0]) / size
    stacks = [
        hadamard(mixed)[:, :length] @ np.diag(signs[2 + 2 * s] + 1j * signs[3 + 2 * s]) @ z / 2**0.5
        for s in range(n_stacks)
    ]
    R: NDArray[np.complex128] = np.concatenate(stacks)[:k, :m]
    return R


@pytest.fixture(params=["cpu", pytest.param(TORCH_CPU, marks=pytest.mark.torch)], ids=["compiled", "torch"])
def device(request: pytest.FixtureRequest) -> str:
    """The compiled loops, and the steps for GPUs on the CPU."""
    return str(request.param)


@pytest.mark.parametrize(("m", "k"), [(5, 40), (16, 16), (40, 9), (60, 300), (90, 200), (128, 500)])
def test_features_are_intensities_behind_the_matrix_written_out(
    m: int, k: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structured, "_SMALLEST_BLOCK", 16)
    X = np.random.default_rng(1).standard_normal((3, m)).astype(np.float32)
    expected = np.abs(X @ written_out(Layout.of(m), m, k, seed=2).T) ** 2 / k**0.5
    features = structured_projection(X, k, seed=2, device=device)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * expected.mean())


@pytest.mark.parametrize("m", [1, 2, 3, 4096, 4097, 20_000, 81_536, 10**6, 2**20])
def test_the_layout_holds_every_entry_with_little_padding(m: int) -> None:
    size, n_blocks, n_mixed, segments = Layout.of(m)
    assert m <= n_blocks * size <= max(1.25 * m, m + 4095)
    assert n_blocks <= n_mixed < 2 * n_blocks
    assert size % segments == 0
    assert n_mixed <= 8


@pytest.mark.parametrize(("m", "k"), [(3000, 4096), (3000, 600), (9000, 10_000)])
def test_the_kernel_is_unbiased_and_no_worse_than_a_dense_maps(m: int, k: int) -> None:
    kinds = pairs(m)
    X = np.concatenate(list(kinds.values())).astype(np.float64)
    exact = np.outer((X * X).sum(1), (X * X).sum(1)) + (X @ X.T) ** 2
    rows = X.astype(np.float32)
    features = (structured_projection(rows, k, s).astype(np.float64) for s in range(N_SEEDS))
    grams = np.stack([f @ f.T for f in features])
    standard_error = grams.std(0) / N_SEEDS**0.5
    bias = np.abs(grams.mean(0) - exact)
    assert (bias < 4.5 * standard_error + exact / 4096).all()
    ratio = np.sqrt(((grams - exact) ** 2).mean(0) / (dense_variance(X) / k))
    assert ratio.max() < 1.2  # an error taken from 200 seeds is itself uncertain by 5 to 8 %
    assert ratio.mean() < 1.0


@pytest.mark.parametrize("m", [1, 2, 3])
def test_tiny_rows_are_projected_without_bias(m: int) -> None:
    X = np.array([[1.0, 2.0, -1.0]], dtype=np.float32)[:, :m]
    norm = float((X * X).sum())
    features = [structured_projection(X, 2000, s).astype(np.float64) for s in range(N_SEEDS)]
    kernels = np.stack([(f * f).sum() for f in features])
    assert abs(kernels.mean() / (2 * norm**2) - 1) < 4.5 * (5 / 2000 / N_SEEDS) ** 0.5


def test_the_error_falls_as_one_over_root_k() -> None:
    X = pairs(2000)["bits"]
    norms = (X * X).sum(1)
    exact = norms[:, None] * norms + (X @ X.T) ** 2
    errors = []
    for k in (8192, 8192 * 16):
        grams = np.stack([f @ f.T for f in (structured_projection(X, k, s) for s in range(40))])
        errors.append(((grams - exact) ** 2).mean() ** 0.5)
    assert 2.8 < errors[0] / errors[1] < 5.6  # √16 = 4


@pytest.mark.parametrize("kind", pairs(1000))
def test_an_intensity_is_exponential(kind: str) -> None:
    X = pairs(5000)[kind]
    mean = (X * X).sum(1, keepdims=True, dtype=np.float64)
    u = np.concatenate([structured_projection(X, 16_384, s, scale=1.0) / mean for s in range(8)])
    for power, moment, spread in ((1, 1, 1), (2, 2, 20**0.5), (3, 6, 684**0.5)):
        assert abs((u**power).mean() - moment) < 4.5 * spread / u.size**0.5 + moment / 4096


def test_features_of_one_transform_and_of_the_next_are_uncorrelated() -> None:
    X = pairs(9000)["bits"][:1]
    N = Layout.of(9000).size * Layout.of(9000).n_mixed
    intensities = np.concatenate([structured_projection(X, 2 * N, s, scale=1.0) for s in range(8)])
    intensities = intensities / X.sum(dtype=np.float64) - 1
    for lag in (1, 2, 100, N - 1, N, N + 1):
        products = intensities[:, :-lag] * intensities[:, lag:]
        assert abs(products.mean()) < 4.5 / products.size**0.5 + 1e-3, lag


@pytest.mark.parametrize(
    "device",
    [pytest.param(TORCH_CPU, marks=pytest.mark.torch), pytest.param("cuda", marks=pytest.mark.gpu)],
)
def test_devices_make_the_features_of_the_compiled_loops(device: str) -> None:
    X = np.concatenate(list(pairs(9000).values()))
    features = structured_projection(X, 20_000, seed=3, device=device)
    assert isinstance(features, np.ndarray)
    np.testing.assert_allclose(features, structured_projection(X, 20_000, seed=3), rtol=1e-3, atol=1e-4)


@pytest.mark.torch
@pytest.mark.parametrize("where", [None, TORCH_CPU])
def test_tensors_come_back_as_tensors_that_hold_what_arrays_do(where: str | None) -> None:
    import torch

    X = pairs(5000)["floats"]
    features = structured_projection(torch.from_numpy(X), 300, seed=3, device=where)
    assert isinstance(features, torch.Tensor)
    expected = structured_projection(X, 300, seed=3)
    np.testing.assert_allclose(features.numpy(), expected, rtol=1e-3, atol=1e-4 * expected.mean())
    brief = torch.empty((2, 300), dtype=torch.bfloat16)
    structured_projection(torch.from_numpy(X), 300, seed=3, device=where, out=brief)
    np.testing.assert_allclose(brief.float().numpy(), expected, rtol=1e-2, atol=1e-2 * expected.mean())


def test_batches_and_threads_change_nothing(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.concatenate(list(pairs(5000).values()))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    expected = structured_projection(X, 3000, seed=4, device=device)
    rows = [structured_projection(row[None], 3000, seed=4, device=device) for row in X]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = structured_projection(X, 3000, seed=4, device=device)
    for other in (np.concatenate(rows), alone):
        if device == "cpu":
            np.testing.assert_array_equal(other, expected)
        np.testing.assert_allclose(other, expected, rtol=1e-4, atol=1e-4)


def test_fewer_features_are_the_first_of_more(device: str) -> None:
    X = pairs(3000)["bits"]
    more = structured_projection(X, 30_000, seed=5, scale=1.0, device=device)
    fewer = structured_projection(X, 777, seed=5, scale=1.0, device=device)
    np.testing.assert_allclose(fewer, more[:, :777], rtol=1e-5, atol=1e-5 * more.mean())


def test_rows_of_ones_do_not_overflow(device: str) -> None:
    X = np.ones((1, 90_000), dtype=np.uint8)
    u = structured_projection(X, 50_000, seed=6, scale=1.0, device=device).astype(np.float64) / 90_000
    assert abs(u.mean() - 1) < 4.5 / 50_000**0.5
    assert abs((u * u).mean() - 2) < 4.5 * (20 / 50_000) ** 0.5


def test_packed_bits_and_a_cameras_levels_are_the_same_on_every_path(device: str) -> None:
    bits = pairs(5001)["bits"].astype(np.uint8)
    expected = structured_projection(bits, 9000, seed=8)
    packed = np.packbits(bits, axis=1)
    features = structured_projection(packed, 9000, seed=8, packed_bits=5001, device=device)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)
    counts = np.empty((2, 9000), dtype=np.uint8)
    structured_projection(bits, 9000, seed=8, levels=15, out=counts, device=device)
    difference = np.abs(counts - np.minimum(np.rint(expected), 15))
    assert counts.max() == 15
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3  # an intensity just at a half


def test_loops_are_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_place(*_: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("numba.core.dispatcher.FunctionCache", no_place)
    assert compiled(lambda x: x + 1)(2) == 3
