"""What is prepared once against what is computed afresh."""

import numpy as np
import pytest
from tests.head.test_novelty import clusters

from lightprobe.head import Novelty, OpticalRidge, Scorer


@pytest.mark.parametrize("places", [2, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8])
@pytest.mark.parametrize("kernel", ["optical", "linear"])
def test_scores_are_the_heads_own(kernel: str, dtype: type, places: int) -> None:
    X, y = clusters(120, places)
    rows = (X > 0.1).astype(np.uint8) if dtype == np.uint8 else X.astype(dtype)
    head = OpticalRidge(kernel=kernel, device="cpu").fit(rows[:90], y[:90])
    scored = Scorer(head.fitted_, Novelty.of(head.fitted_, y[:90], np.arange(90), rows[:90]), rows[:90])(
        rows[90:]
    )
    scores, novelty = scored.scores, scored.novelty
    np.testing.assert_allclose(scores, head.class_scores(rows[90:]), rtol=1e-9, atol=1e-12)
    assert novelty.shape == (30,)


def test_novelty_counts_the_training_rows_that_look_less_novel() -> None:
    X, y = clusters(100, 3)
    head = OpticalRidge(device="cpu").fit(X[:80], y[:80])
    novelty = Novelty.of(head.fitted_, y[:80], np.arange(80), X[:80])
    scored = Scorer(head.fitted_, novelty)(X[80:])
    scores, found = scored.scores, scored.novelty
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    cosine = np.sort(unit[80:] @ unit[:80].T, axis=1)[:, -5]
    raw = -novelty.weight[0] * (scores.max(axis=1) - novelty.centre[0]) / novelty.spread[0]
    raw -= (cosine - novelty.centre[1]) / novelty.spread[1]
    expected = (novelty.reference[None] < raw[:, None]).sum(axis=1) / 81
    np.testing.assert_allclose(found, expected, atol=1.01 / len(novelty.reference))


def test_rows_of_zeros_have_no_direction_and_an_answer() -> None:
    X, y = clusters(60, 3)
    head = OpticalRidge(device="cpu").fit(X, y)
    scored = Scorer(head.fitted_, Novelty.of(head.fitted_, y, np.arange(60), X))(
        np.zeros((1, 12), np.float32)
    )
    scores, novelty = scored.scores, scored.novelty
    assert np.isfinite(scores).all()
    assert novelty[0] > 0.9
