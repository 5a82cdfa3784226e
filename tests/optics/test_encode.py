"""Encodings against the number formats that they are defined by."""

import struct
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import check_estimator

from lightprobe.errors import OptionError
from lightprobe.optics import encode as encode_module
from lightprobe.optics.encode import (
    ENCODERS,
    float32_bits,
    has_signs,
    l2_normalize,
    side_by_side,
    sign_bits,
    split_signs,
    with_constant,
)
from lightprobe.optics.encoders import Float32Encoder, SignEncoder
from lightprobe.optics.kernel import linear_kernel, optical_kernel


def bits_of(value: float) -> str:
    """The 32 bits of a number in single precision, sign first."""
    return f"{struct.unpack('>I', struct.pack('>f', value))[0]:032b}"


def test_sign_bits_are_one_above_the_threshold_only() -> None:
    X = np.array([[-1.0, -0.0, 0.0, 1e-30, 2.0]], dtype=np.float32)
    np.testing.assert_array_equal(sign_bits(X), [[0, 0, 0, 1, 1]])
    np.testing.assert_array_equal(sign_bits(X, threshold=1.0), [[0, 0, 0, 0, 1]])
    assert sign_bits(X).dtype == np.uint8
    np.testing.assert_array_equal(sign_bits(X.astype(np.float16), 0.0), [[0, 0, 0, 0, 1]])  # 1e-30 is 0 there


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float32_bits_are_those_of_the_format_side_by_side(dtype: type) -> None:
    values = [-2.5, 0.0, 0.1, 65504.0, -1e-6]
    X: Any = np.array([values, values[::-1]], dtype=dtype)
    bits = float32_bits(X, sign_bit=True, exp_bits=8, mantissa_bits=23)
    for row, encoded in zip(X, bits, strict=True):
        assert "".join(map(str, encoded)) == "".join(bits_of(float(value)) for value in row)


@pytest.mark.parametrize(
    ("sign", "exponent", "mantissa"), [(True, 0, 0), (False, 2, 0), (True, 3, 4), (False, 0, 1)]
)
def test_chosen_bits_are_the_highest_of_each_field(sign: bool, exponent: int, mantissa: int) -> None:
    X = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    bits = float32_bits(X, sign_bit=sign, exp_bits=exponent, mantissa_bits=mantissa)
    kept = [*range(sign), *range(1, 1 + exponent), *range(9, 9 + mantissa)]
    expected = [[int(bits_of(value)[bit]) for value in row for bit in kept] for row in X]
    np.testing.assert_array_equal(bits, expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_normalised_rows_have_length_one_and_keep_their_type(dtype: type) -> None:
    X: Any = np.random.default_rng(0).standard_normal((6, 400)).astype(dtype)
    X[2] = 0
    X[3] *= 200  # its squares overflow half precision
    normalized = l2_normalize(X)
    assert normalized.dtype == dtype
    lengths = np.linalg.norm(normalized.astype(float), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 0, 1, 1, 1], atol=2e-4)
    np.testing.assert_allclose(
        normalized[3] * (normalized[3].astype(float) @ X[3]), X[3], rtol=2e-2, atol=1e-1
    )


@pytest.mark.parametrize("value", [1e-30, 1e30])
def test_extreme_rows_are_normalised_too(value: float) -> None:
    X = np.full((1, 4), value, dtype=np.float32)
    np.testing.assert_allclose(l2_normalize(X), 0.5)


@pytest.mark.parametrize("name", ENCODERS)
def test_blocks_change_nothing_and_the_input_is_left_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = np.random.default_rng(0).standard_normal((50, 11)).astype(np.float16)
    before, whole = X.copy(), ENCODERS[name](X)
    monkeypatch.setattr(encode_module, "BLOCK_ELEMENTS", 40)
    np.testing.assert_array_equal(ENCODERS[name](X), whole)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"exp_bits": 9}, "exp_bits is 9"),
        ({"mantissa_bits": -1}, "mantissa_bits is -1"),
        ({"sign_bit": False, "exp_bits": 0}, "No bit is kept"),
    ],
)
def test_impossible_choices_of_bits_are_refused(options: dict[str, int], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Float32Encoder(**options).fit([[1.0]])  # type: ignore[arg-type]  # a bool stands among the ints


@pytest.mark.parametrize(
    "encoder", [SignEncoder(), SignEncoder(0.5), Float32Encoder(), Float32Encoder(mantissa_bits=3)]
)
def test_encoders_pass_scikit_learns_estimator_checks(encoder: BaseEstimator) -> None:
    check_estimator(encoder, on_skip=None)


def test_names_of_the_bits_follow_their_columns() -> None:
    encoder = Float32Encoder(exp_bits=2).fit([[1.0, 2.0]])
    assert encoder.get_feature_names_out(["a", "b"]).tolist() == ["a_0", "a_1", "a_2", "b_0", "b_1", "b_2"]
    assert SignEncoder().fit([[1.0, 2.0]]).get_feature_names_out().tolist() == ["x0", "x1"]


@pytest.mark.parametrize("encoder", [SignEncoder(), Float32Encoder()])
def test_numbers_that_are_not_finite_are_refused(encoder: SignEncoder) -> None:
    with pytest.raises(ValueError, match="NaN"):
        encoder.fit([[1.0, np.nan]])
    with pytest.raises(ValueError, match="infinity"):
        encoder.fit([[1.0, 2.0]]).transform([[np.inf, 1.0]])


def test_networks_side_by_side_add_their_cosines_whatever_their_scales() -> None:
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(5, 3)), 1000 * rng.normal(size=(5, 7))]
    joined = side_by_side(blocks)
    for i in range(5):
        for j in range(5):
            cosines = [X[i] @ X[j] / np.sqrt(X[i] @ X[i]) / np.sqrt(X[j] @ X[j]) for X in blocks]
            assert linear_kernel(joined)[i, j] == pytest.approx(sum(cosines))
            assert optical_kernel(joined)[i, j] == pytest.approx(4 + sum(cosines) ** 2)
    assert side_by_side(blocks[1:]) is blocks[1]


def test_encodings_of_signed_features_give_the_kernels_that_they_say() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 7))
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.testing.assert_allclose(optical_kernel(with_constant(X)), 5 + 2 * cosines + cosines**2, atol=1e-12)
    parts = np.maximum(unit, 0) @ np.maximum(unit, 0).T + np.maximum(-unit, 0) @ np.maximum(-unit, 0).T
    np.testing.assert_allclose(optical_kernel(split_signs(X)), 1 + parts**2, atol=1e-12)
    assert split_signs(X).min() == 0
    encoders = (l2_normalize, split_signs, with_constant)
    plain, *signed = (optical_kernel(np.vstack([encode(X), encode(-X)])) for encode in encoders)
    np.testing.assert_allclose(plain[:20, 20:], plain[:20, :20])  # x and −x are the same to it
    for kernel in signed:
        assert np.abs(kernel[:20, 20:] - kernel[:20, :20]).max() > 0.5


def test_features_have_signs_where_one_in_a_hundred_is_of_the_other() -> None:
    X = np.ones((300, 50))
    assert not has_signs(X)
    assert not has_signs(-X)
    X[:, 0] = -1
    assert has_signs(X)
    X[:, 0] = 0
    assert not has_signs(X)
