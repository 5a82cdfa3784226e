"""OpticalFeatures as a scikit-learn citizen, and what it takes in."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.parallel import Parallel, delayed

from lightprobe.errors import DataError, OptionError
from lightprobe.optics.camera import Camera
from lightprobe.optics.dense import dense_work_bytes
from lightprobe.optics.project import OpticalFeatures, memory_needed

PROJECTIONS = ["structured", "dense"]
# Checks of scikit-learn's that compare features of the same rows in other batches.
WITHIN_DOUBLES = ("check_methods_sample_order_invariance", "check_methods_subset_invariance")
BITS = (np.random.default_rng(0).random((6, 45)) < 0.4).astype(np.uint8)


@parametrize_with_checks([OpticalFeatures(n_components=20), OpticalFeatures(20, projection="dense")])  # type: ignore[untyped-decorator]  # scikit-learn has no types
def test_scikit_learns_own_checks_pass(estimator: Any, check: Any) -> None:
    if check.func.__name__ in WITHIN_DOUBLES:
        pytest.skip(
            "asks for seven digits of sums in single precision; the next test asks for what they have"
        )
    check(estimator)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_rows_features_depend_on_its_batch_by_rounding_only(projection: str) -> None:
    X = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    features = OpticalFeatures(20, projection=projection, random_state=0).fit(X)
    whole = features.transform(X)
    # φ = |y|²/√k with y = Σ_j x_j r_j: two orders of summing differ by m eps Σ_j |x_j r_j| at most, in each
    # of y's two parts, and φ by 2|y|/√k times that. The largest of these few |r_j|² is below 20.
    sums = np.sqrt(20.0) * np.abs(X).sum(axis=1, keepdims=True)
    slack = 2 * np.sqrt(2) * X.shape[1] * np.finfo(np.float32).eps * sums * np.sqrt(whole) / 20**0.25
    order = np.random.default_rng(1).permutation(len(X))
    for changed, rows in ((features.transform(X[order]), order), (features.transform(X[:1]), [0])):
        assert (np.abs(changed - whole[rows]) <= slack[rows]).all()
    assert slack.max() < whole.max() / 1000, "or a row mixed up would pass"


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.int8, np.float16, np.float32, np.float64, np.int64])
def test_the_type_of_the_rows_does_not_matter(projection: str, dtype: type) -> None:
    features = OpticalFeatures(50, projection=projection, random_state=0).fit(BITS)
    np.testing.assert_allclose(
        features.transform(BITS.astype(dtype)), features.transform(BITS), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_rows_that_are_not_contiguous_are_read_right(projection: str) -> None:
    features = OpticalFeatures(50, projection=projection, random_state=0).fit(BITS)
    wide = np.repeat(BITS, 2, axis=1)
    np.testing.assert_allclose(features.transform(wide[:, ::2]), features.transform(BITS), rtol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("projection", PROJECTIONS)
def test_tensors_that_are_not_contiguous_are_read_right(projection: str) -> None:
    import torch

    features = OpticalFeatures(50, projection=projection, random_state=0).fit(BITS)
    tensor = torch.from_numpy(np.repeat(BITS, 2, axis=1))[:, ::2]
    np.testing.assert_allclose(features.transform(tensor).numpy(), features.transform(BITS), rtol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_tensor_comes_back_as_a_tensor(projection: str) -> None:
    import torch

    features = OpticalFeatures(50, projection=projection, random_state=0)
    for dtype in (torch.uint8, torch.bool, torch.float32, torch.bfloat16):
        result = features.fit(torch.from_numpy(BITS).to(dtype)).transform(torch.from_numpy(BITS).to(dtype))
        assert isinstance(result, torch.Tensor)
        np.testing.assert_allclose(result.numpy(), features.transform(BITS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_packed_bits_are_the_same_bits(projection: str) -> None:
    options: dict[str, Any] = {"n_components": 50, "projection": projection, "random_state": 0}
    expected = OpticalFeatures(**options).fit_transform(BITS)
    packed = np.packbits(BITS, axis=1)
    features = OpticalFeatures(packed_bits=45, **options)
    np.testing.assert_allclose(features.fit_transform(packed), expected, rtol=1e-5)
    assert features.n_features_in_ == 6
    with pytest.raises(DataError, match="45 packed bits are 6 uint8 columns, but X has 45"):
        features.fit(BITS)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_the_same_seed_gives_the_same_features(projection: str) -> None:
    def features(seed: int) -> NDArray[np.float32]:
        result: NDArray[np.float32] = OpticalFeatures(
            50, projection=projection, random_state=seed
        ).fit_transform(BITS)
        return result

    np.testing.assert_array_equal(features(3), features(3))
    assert np.abs(features(3) - features(4)).max() > 0.1


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_half_precision_features_are_the_same_to_their_rounding(projection: str) -> None:
    options: dict[str, Any] = {"n_components": 50, "projection": projection, "random_state": 0}
    half = OpticalFeatures(dtype="float16", **options).fit_transform(BITS)
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, OpticalFeatures(**options).fit_transform(BITS), rtol=2e-3, atol=1e-3)


def test_generating_r_is_timed_apart() -> None:
    dense = OpticalFeatures(500, projection="dense").fit(BITS)
    dense.transform(BITS)
    assert dense.generate_seconds_ > 0
    structured = OpticalFeatures(500).fit(BITS)
    structured.transform(BITS)
    assert structured.generate_seconds_ == 0


def test_clones_copies_and_other_processes_give_the_same_features() -> None:
    features = OpticalFeatures(50, camera=Camera(bits=6), random_state=0).fit(BITS)
    expected = features.transform(BITS)
    assert clone(features).get_params() == features.get_params()
    np.testing.assert_array_equal(clone(features).fit_transform(BITS), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(features)).transform(BITS), expected)
    threads = Parallel(n_jobs=2, prefer="threads")(delayed(features.transform)(BITS) for _ in range(4))
    for result in threads:
        np.testing.assert_array_equal(result, expected)


def test_features_have_names_and_frames() -> None:
    features = OpticalFeatures(3, random_state=0).fit(BITS)
    names = ["opticalfeatures0", "opticalfeatures1", "opticalfeatures2"]
    assert features.get_feature_names_out().tolist() == names
    pandas = pytest.importorskip("pandas")
    frame = features.set_output(transform="pandas").transform(BITS)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.columns.tolist() == names


def test_handwritten_digits_are_learned_in_a_pipeline_and_a_search() -> None:
    X, y = load_digits(return_X_y=True)
    X /= 16
    pipeline = make_pipeline(OpticalFeatures(2000, random_state=0), RidgeClassifier(alpha=1.0))
    assert pipeline.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.94
    search = GridSearchCV(pipeline, {"opticalfeatures__n_components": [1, 300]}, cv=3)
    assert search.fit(X[:300], y[:300]).best_params_ == {"opticalfeatures__n_components": 300}


def test_memory_is_told_before_it_is_taken() -> None:
    assert memory_needed(8000, 81_536, 120_000) - 8000 * 120_000 * 4 < 30e6
    dense = memory_needed(8000, 81_536, 120_000, projection="dense", itemsize=1)
    assert dense == 8000 * 120_000 + dense_work_bytes(8000, 81_536, 120_000)
    assert dense_work_bytes(8000, 81_536, 120_000) < 1e9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 0}, "n_components is 0"),
        ({"n_components": 2.5}, "n_components is 2.5"),
        ({"packed_bits": -1}, "packed_bits is -1"),
        ({"projection": "laser"}, "projection is 'laser'; give one of structured, dense"),
        ({"dtype": "int4"}, "dtype is 'int4'"),
    ],
)
def test_an_option_that_is_not_allowed_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        OpticalFeatures(**options).fit(BITS)


@pytest.mark.torch
def test_a_tensor_that_does_not_fit_is_an_error() -> None:
    import torch

    features = OpticalFeatures(10).fit(BITS)
    with pytest.raises(DataError, match="45"):
        features.transform(torch.ones(2, 44))
    for wrong in (torch.ones(5), torch.ones(2, 2, dtype=torch.complex64), torch.ones(0, 45)):
        with pytest.raises(DataError, match=r"give real \(n_samples, n_features\)"):
            features.transform(wrong)


@pytest.mark.gpu
@pytest.mark.parametrize("projection", PROJECTIONS)
def test_a_gpu_gives_the_same_features(projection: str) -> None:
    import torch

    features = OpticalFeatures(500, projection=projection, random_state=0, device="cpu").fit(BITS)
    expected = features.transform(BITS)
    features.set_params(device="cuda")
    np.testing.assert_allclose(features.transform(BITS), expected, rtol=1e-3, atol=1e-4)
    result = features.transform(torch.from_numpy(BITS).cuda())
    assert result.is_cuda
    np.testing.assert_allclose(result.cpu().numpy(), expected, rtol=1e-3, atol=1e-4)
