"""OpticalFeatures against the closed form of its kernel, and as a scikit-learn citizen."""

import numpy as np
import pytest
import torch

from lightprobe.errors import OptionError
from lightprobe.optics.project import OpticalFeatures


def test_an_option_that_is_not_allowed_is_named() -> None:
    with pytest.raises(OptionError, match="n_components is 0"):
        OpticalFeatures(n_components=0).fit(np.ones((2, 3)))
    with pytest.raises(OptionError, match="projection is 'laser'"):
        OpticalFeatures(projection="laser").fit(np.ones((2, 3)))


def test_the_kind_that_comes_in_goes_out() -> None:
    X = np.eye(3, dtype=np.uint8)
    features = OpticalFeatures(n_components=7, random_state=0).fit(X)
    assert isinstance(features.transform(X), np.ndarray)
    out = features.transform(torch.from_numpy(X))
    assert isinstance(out, torch.Tensor)
    np.testing.assert_array_equal(out.numpy(), features.transform(X))
