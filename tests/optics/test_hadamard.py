"""The fast transforms against scipy's matrix."""

import numpy as np
import pytest
from scipy.linalg import hadamard

from lightprobe.errors import OptionError
from lightprobe.optics.compiled import walsh
from lightprobe.optics.hadamard import hadamard_matrix, walsh_hadamard

ORDERS = [1, 2, 4, 8, 64, 128, 256, 1024, 4096]


@pytest.mark.parametrize("order", ORDERS[:-1])
def test_the_matrix_is_sylvesters(order: int) -> None:
    np.testing.assert_array_equal(hadamard_matrix(order), hadamard(order))


@pytest.mark.parametrize("order", ORDERS)
def test_the_transform_is_a_product_with_the_matrix_in_natural_order(order: int) -> None:
    x = np.random.default_rng(0).standard_normal((3, 2, order))
    np.testing.assert_allclose(walsh_hadamard(x), x @ hadamard(order), atol=1e-11)


@pytest.mark.torch
@pytest.mark.parametrize("order", ORDERS)
def test_tensors_are_transformed_as_arrays_are(order: int) -> None:
    import torch

    x = np.random.default_rng(0).standard_normal((3, 2, order))
    transformed = walsh_hadamard(torch.from_numpy(x))
    assert isinstance(transformed, torch.Tensor)
    np.testing.assert_allclose(transformed.numpy(), walsh_hadamard(x), atol=1e-11)


@pytest.mark.parametrize("order", ORDERS)
def test_the_compiled_transform_is_the_same(order: int) -> None:
    x = np.random.default_rng(0).standard_normal(order).astype(np.float32)
    result, _ = walsh(x.copy(), np.empty_like(x), order)
    np.testing.assert_allclose(result, hadamard(order) @ x, atol=1e-5 * order**0.5)


@pytest.mark.parametrize("order", [0, 3, 12])
def test_an_order_that_is_no_power_of_two_is_an_error(order: int) -> None:
    with pytest.raises(OptionError, match="power of two"):
        hadamard_matrix(order)
    with pytest.raises(OptionError, match="power of two"):
        walsh_hadamard(np.ones((2, order)))
