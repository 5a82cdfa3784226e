import numpy as np
import pytest

from lightprobe.ridge import paired_gain


def test_a_paired_gain_is_the_mean_difference_with_its_standard_error() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.random(500) < 0.9, rng.random(500) < 0.85
    difference = ours.astype(float) - theirs.astype(float)
    gain, error = paired_gain(ours, theirs)
    assert gain == pytest.approx(difference.mean())
    assert error == pytest.approx(difference.std() / np.sqrt(500))
