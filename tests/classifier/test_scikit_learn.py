"""scikit-learn's tools take the classifier as one of theirs, with labels of any type."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from tests.toys import CLASSES, toy_image

from lightprobe import ImageClassifier, load

PHOTOS = np.stack([toy_image(kind, seed) for kind in CLASSES for seed in range(9)])
NUMBERS = np.repeat([20, -3, 100], 9)


def classifier(**told: object) -> ImageClassifier:
    return ImageClassifier(precision="fp32", device="cpu", pool="avg", encode="l2", kernel="linear", **told)  # type: ignore[arg-type]


@pytest.mark.usefixtures("module_cache")
def test_integers_come_out_as_integers_from_disk_and_after_an_update_too(tmp_path: Path) -> None:
    model = classifier().fit(PHOTOS, NUMBERS)
    assert model.classes_.tolist() == [-3, 20, 100]
    assert model.classes_.dtype.kind == "i"
    assert accuracy_score(NUMBERS, model.predict(PHOTOS)) > 0.9
    assert model.score(PHOTOS, NUMBERS) > 0.9
    again = load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(PHOTOS), model.predict(PHOTOS))
    model.update(remove=["0"])
    assert model.classes_.dtype.kind == "i"
    assert classifier().fit(PHOTOS, NUMBERS.astype(str)).classes_.dtype.kind == "U"


@pytest.mark.usefixtures("module_cache")
def test_cross_validation_search_and_votes_take_it() -> None:
    assert cross_val_score(classifier(), PHOTOS, NUMBERS, cv=3).mean() > 0.8
    search = GridSearchCV(classifier(), {"alpha": [1e-3, 1.0]}, cv=3).fit(PHOTOS, NUMBERS)
    assert search.best_score_ > 0.8
    votes = VotingClassifier([("a", classifier()), ("b", classifier(alpha=0.1))]).fit(PHOTOS, NUMBERS)
    assert votes.classes_.tolist() == [-3, 20, 100]
    assert accuracy_score(NUMBERS, votes.predict(PHOTOS)) > 0.9


@pytest.mark.usefixtures("module_cache")
def test_a_bad_photo_among_those_to_predict_is_named_with_the_way_out_in_python(tmp_path: Path) -> None:
    from lightprobe.errors import DataError

    model = classifier().fit(PHOTOS, NUMBERS)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no photo")
    with pytest.raises(DataError, match=r"1 of 2 photos cannot .*bad\.png .*iter_predictions") as error:
        model.predict([PHOTOS[0], bad])
    assert "--" not in str(error.value)
    with pytest.raises(DataError, match=r"bad\.png, not an image of a known format: give other"):
        model.predict(bad)
    assert len(model.predict(PHOTOS[0])) == 1
