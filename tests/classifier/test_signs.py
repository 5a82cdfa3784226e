"""A vision transformer, whose features have both signs: what the optical kernel is then shown."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.toys import draw_toys

from lightprobe import ImageClassifier
from lightprobe.export import FORMATS, ExportedClassifier, export
from lightprobe.images import open_images
from lightprobe.optics import has_signs
from lightprobe.photo_model import features_of

VIT: dict[str, Any] = {"backbone": "timm:test_vit", "weights": "random", "image_size": 32}
HOW: dict[str, Any] = {**VIT, "precision": "fp32", "device": "cpu"}

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("module_cache")]


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("timm")
    return draw_toys(tmp_path_factory.mktemp("signs"), 8, 3)


def test_auto_compares_encodings_that_keep_the_signs(toys: Path) -> None:
    model = ImageClassifier(**HOW).fit(toys)
    tried = {(c.choice.encode, c.choice.kernel) for c in model.candidates_}
    assert {("split", "optical"), ("offset", "optical"), ("l2", "optical"), ("l2", "linear")} <= tried
    assert has_signs(features_of(model.fitted, toys / "test", model.runtime))


@pytest.mark.parametrize("encode", ["split", "offset"])
def test_scores_are_those_of_the_kernel_solved_by_hand(encode: str, toys: Path, tmp_path: Path) -> None:
    model = ImageClassifier(**HOW, encode=encode, kernel="optical").fit(toys)
    images = open_images(toys)
    training, test = images.training, images.test
    assert test is not None
    units = []
    for photos in (training, test):
        rows = features_of(model.fitted, [toys / path for path in photos.paths], model.runtime).astype(float)
        units.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if encode == "offset":
            return np.asarray(4 + (1 + x @ y.T) ** 2)
        parts = np.maximum(x, 0) @ np.maximum(y, 0).T + np.maximum(-x, 0) @ np.maximum(-y, 0).T
        return np.asarray(1 + parts**2)

    n, K = len(training), kernel(units[0], units[0])
    targets = np.where(training.labels[:, None] == np.arange(3), 1.0, -1.0)
    system = np.block([[K + model.head_.alpha_ * np.eye(n), np.ones((n, 1))], [np.ones((1, n)), 0.0]])
    solution = np.linalg.solve(system, np.vstack([targets, np.zeros((1, 3))]))
    scores = kernel(units[1], units[0]) @ solution[:-1] + solution[-1]
    asked = [toys / path for path in test.paths]
    np.testing.assert_allclose(model.decision_function(asked), scores, atol=0.02)
    for form in FORMATS:
        file = tmp_path / f"{encode}{FORMATS[form].suffix}"
        export(model.fitted, form, file)
        answers = ExportedClassifier.load(file).predict_proba(asked)
        np.testing.assert_allclose(answers, model.predict_proba(asked), atol=1e-3)
