"""A head taken apart and put together again predicts the same to the last bit."""

import json
from typing import Any

import numpy as np
import pytest

from lightprobe.errors import ModelFileError
from lightprobe.head import FittedHead, OpticalRidge
from lightprobe.optics import Camera

WAYS: dict[str, dict[str, Any]] = {
    "exact": {},
    "linear": {"kernel": "linear"},
    "primal": {"components": 20, "random_state": 3},
    "dual": {"components": 200, "random_state": 3},
    "dense": {"components": 20, "projection": "dense", "random_state": None},
    "camera": {"components": 20, "camera": Camera(bits=6), "random_state": 3},
}


def fitted(way: str, dtype: type = np.uint8, classes: int = 3) -> tuple[OpticalRidge, Any]:
    rng = np.random.default_rng(0)
    y = np.arange(60) % classes
    X = (rng.random((60, 37)) < 0.3 + 0.5 * (y[:, None] == np.arange(37) % classes)).astype(dtype)
    return OpticalRidge(**WAYS[way]).fit(X, np.array(["a", "b", "c"])[y]), X


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float64])
@pytest.mark.parametrize("way", WAYS)
def test_a_round_trip_changes_no_bit(way: str, dtype: type, classes: int) -> None:
    head, X = fitted(way, dtype, classes)
    arrays, config = head.fitted_.to_arrays()
    restored = FittedHead.from_arrays(
        {name: array.copy() for name, array in arrays.items()},
        json.loads(json.dumps(config, allow_nan=False)),
    )
    again = OpticalRidge.from_fitted(restored, head.options(), head.classes_)
    np.testing.assert_array_equal(again.decision_function(X), head.decision_function(X))
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    np.testing.assert_array_equal(again.predict(X), head.predict(X))
    np.testing.assert_array_equal(again.loo_scores_, head.loo_scores_)
    assert (again.plan_, again.alpha_, again.cost_) == (head.plan_, head.alpha_, head.cost_)
    assert all(array.flags.c_contiguous for array in arrays.values())


def test_training_bits_take_a_bit_each_and_other_bytes_a_byte() -> None:
    head, X = fitted("exact")
    assert head.fitted_.to_arrays()[0]["X_fit_bits"].shape == (60, 5)
    speckle = OpticalRidge().fit(X * 7, np.arange(60) % 2)
    assert speckle.fitted_.to_arrays()[0]["X_fit"].dtype == np.uint8


@pytest.mark.parametrize("name", ["intercept", "loo_scores", "dual_coef", "X_fit_bits"])
def test_arrays_of_another_shape_are_refused(name: str) -> None:
    arrays, config = fitted("exact")[0].fitted_.to_arrays()
    with pytest.raises(ModelFileError, match="train it again"):
        FittedHead.from_arrays(
            arrays | {name: arrays[name][:, :-1] if arrays[name].ndim > 1 else arrays[name][:-1]}, config
        )
    with pytest.raises(ModelFileError, match="train it again"):
        FittedHead.from_arrays({key: value for key, value in arrays.items() if key != name}, config)


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": "rbf"},
        {"calibration": {}},
        {"classes": ["a", "b"]},
        {"n_features": 20},
        {"dtype": "float99"},
        {"random_features": {"components": 3}},
    ],
)
def test_a_foreign_configuration_is_refused(change: dict[str, Any]) -> None:
    arrays, config = fitted("exact")[0].fitted_.to_arrays()
    with pytest.raises(ModelFileError):
        FittedHead.from_arrays(arrays, config | change)
    for key in config:
        if key != "loo":
            with pytest.raises(ModelFileError):
                FittedHead.from_arrays(arrays, {name: value for name, value in config.items() if name != key})
