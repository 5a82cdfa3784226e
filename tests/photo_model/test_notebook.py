"""What a notebook shows of a classifier."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from lightprobe import ImageClassifier
from lightprobe.photo_model.notebook import MISTAKES


@pytest.fixture
def fitted(toy_folder: Path) -> ImageClassifier:
    # A penalty that leaves mistakes.
    classifier = ImageClassifier(image_size=64, precision="fp32", device="cpu", pool="avg", alpha=1e6)
    return classifier.fit(toy_folder)


def test_a_fitted_classifier_shows_accuracy_confusions_and_mistakes_as_pictures(
    fitted: ImageClassifier,
) -> None:
    html = fitted._repr_mimebundle_()["text/html"].replace("\N{NO-BREAK SPACE}", " ")
    assert html == fitted._repr_html_().replace("\N{NO-BREAK SPACE}", " ")
    assert f"{100 * fitted.loo_accuracy_:.1f} %" in html
    cells = [int(n.replace("·", "0")) for n in re.findall(r"<td[^>]*>([0-9·]+)</td>", html)]
    n = len(fitted.classes_)
    matrix = np.array(cells).reshape(n, n)
    assert matrix.sum() == fitted.n_train_
    assert np.trace(matrix) / matrix.sum() == pytest.approx(fitted.loo_accuracy_)
    wrong = int(matrix.sum() - np.trace(matrix))
    assert html.count('<img src="data:image/jpeg;base64,') == min(wrong, MISTAKES) > 0
    assert "<script" not in html


def test_many_classes_are_shown_by_the_pairs_confused_most(
    fitted: ImageClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightprobe.photo_model.notebook.MATRIX_CLASSES", 2)
    assert "Confused most: " in fitted._repr_html_()


def test_a_classifier_shows_itself_without_its_photos_and_before_it_is_fitted(
    fitted: ImageClassifier, tmp_path: Path
) -> None:
    copied = pickle.loads(pickle.dumps(fitted))
    for other in (copied, ImageClassifier.load(fitted.save(tmp_path / "model"))):
        html = other._repr_html_()
        assert "<img" not in html
        assert "called <b>" in html
    assert "ImageClassifier" in ImageClassifier()._repr_mimebundle_()["text/html"]
    kept_nothing = ImageClassifier.load(fitted.set_params(keep="nothing").save(tmp_path / "model"))
    assert kept_nothing._repr_html_()
    fitted.set_params(keep="features")
