"""Nearest neighbours by cosine against a plain sort of all of them."""

import numpy as np
import pytest

from lightprobe.check import duplicates
from lightprobe.check.duplicates import LEAST_COSINE, NEIGHBOURS, neighbour_pairs


@pytest.mark.parametrize("block_rows", [7, 2048])
def test_pairs_are_the_nearest_of_each_that_are_near_enough(
    block_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "BLOCK_ROWS", block_rows)
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((4, 30))[np.arange(50) % 4] + 0.3 * rng.standard_normal((50, 30))).astype(
        np.float16
    )
    features[3] = 0
    rows = features.astype(np.float64)
    cosines = rows @ rows.T / np.maximum(np.outer(*2 * [np.linalg.norm(rows, axis=1)]), 1e-9)
    expected = set()
    for i in range(50):
        for j in sorted((j for j in range(50) if j != i), key=lambda j: -cosines[i, j])[:NEIGHBOURS]:
            if cosines[i, j] >= LEAST_COSINE:
                expected.add((min(i, j), max(i, j)))
    assert len(expected) > 50
    assert neighbour_pairs(features) == sorted(expected)
