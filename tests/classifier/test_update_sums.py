"""A model that keeps sums, against the fit on the changed set with the same alpha."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge
from tests.classifier.rounding import kernel_of, score_tolerance
from tests.toys import toy_image

from lightprobe import ImageClassifier, load
from lightprobe.errors import DataError, OptionError, ResourceError
from lightprobe.images import open_images

FIXED: dict[str, Any] = {"precision": "fp32", "device": "cpu", "pool": "avg"}
HEADS: list[dict[str, Any]] = [
    {"encode": "l2", "kernel": "linear"},  # fitted in the dual: more features than photos
    {"encode": "none", "kernel": "optical", "components": 24},  # fitted in the primal
]
NAME = "train/disc/disc 3.png"


def summing(**how: Any) -> ImageClassifier:
    return ImageClassifier(**{**FIXED, **HEADS[0], "keep": "sums", **how})


def new_photo(path: Path, kind: str, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(toy_image(kind, seed)).save(path)
    return path


@pytest.mark.parametrize("how", HEADS)
def test_sums_brought_up_to_date_are_the_fit_on_the_changed_set(
    toy_folder: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    model = load(summing(**how).fit(toy_folder).save(tmp_path / "model"))
    assert isinstance(model, ImageClassifier)
    accuracy, alpha = model.loo_accuracy_, model.head_.alpha_relative_
    added = [
        new_photo(tmp_path / "more" / kind / "1.png", drawn, 60)
        for kind, drawn in (("disc",) * 2, ("static", "noise"))
    ]
    gone = [NAME, "train/noise/noise 0.png"]
    changed = {"train/stripes/stripes 5.png": "disc", "train/noise/noise 7.png": "static"}
    model.update(
        tmp_path / "more",
        remove=[toy_folder / name for name in gone],
        relabel={str(toy_folder / name): label for name, label in changed.items()},
    )
    done = model.update_
    assert (done.n_added, done.n_removed, done.n_relabelled, done.removed) == (2, 2, 2, tuple(gone))
    before = open_images(toy_folder).training
    stayed = [name for name in before.paths if name not in gone]
    labels = [changed.get(name, name.split("/")[1]) for name in stayed] + [path.parent.name for path in added]
    photos = [toy_folder / name for name in stayed] + added
    afresh = summing(**how, alpha=alpha, keep="features").fit(open_images((photos, labels)))
    assert model.classes_.tolist() == afresh.classes_.tolist() == ["disc", "noise", "static", "stripes"]
    test = toy_folder / "test"
    assert afresh.kept_ is not None
    rows = afresh.kept_.rows
    phi = rows if "components" not in how else afresh.head_.features_.transform(rows)
    # The fit multiplies in single precision where rows are many; sums do not.
    kernel = kernel_of(phi, "linear")
    tolerance = score_tolerance(kernel, model.head_.alpha_)
    np.testing.assert_allclose(
        model.decision_function(test), afresh.decision_function(test), rtol=0, atol=tolerance
    )
    # alpha is relative to tr(Kc)/n, a mean of the diagonal less a mean of all: both move by ε max|K|.
    moved = 2 * np.finfo(np.float32).eps * np.abs(kernel).max()
    assert model.head_.alpha_ == pytest.approx(afresh.head_.alpha_, rel=0, abs=alpha * moved)
    targets = 2.0 * np.eye(4)[afresh.kept_.labels] - 1
    truth = Ridge(alpha=model.head_.alpha_).fit(phi.astype(np.float64), targets)
    np.testing.assert_allclose(model.head_.coef_, truth.coef_, atol=1e-9 * np.abs(truth.coef_).max())
    np.testing.assert_allclose(model.head_.intercept_, truth.intercept_, atol=1e-9)
    assert (model.n_train_, len(model.paths_)) == (36, 36)
    # What needs every photo is of the last training, and says so.
    assert (model.loo_accuracy_, model.stale_, afresh.stale_) == (accuracy, True, False)
    again = load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(test), model.predict_proba(test))
    assert isinstance(again, ImageClassifier)
    assert again.stale_
    assert "it was updated from sums since" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_a_class_without_photos_is_gone_from_the_sums_and_can_come_back(toy_folder: Path) -> None:
    model = summing().fit(toy_folder)
    assert model.sums_ is not None
    scores, sums = model.decision_function(toy_folder / "test"), model.sums_.sums
    noise = sorted((toy_folder / "train" / "noise").iterdir())
    model.update(remove=noise)
    assert model.classes_.tolist() == ["disc", "stripes"]
    assert model.decision_function(toy_folder / "test").shape == (12,)
    model.update(toy_folder)
    assert (model.update_.n_added, model.update_.n_known) == (12, 24)
    for name in ("gram", "moment", "feature_sum", "target_sum"):
        np.testing.assert_allclose(getattr(model.sums_.sums, name), getattr(sums, name), atol=1e-12)
    rows = summing(keep="features").fit(toy_folder).kept_
    assert rows is not None
    tolerance = score_tolerance(kernel_of(rows.rows, "linear"), model.head_.alpha_)  # the first fit's
    np.testing.assert_allclose(model.decision_function(toy_folder / "test"), scores, rtol=0, atol=tolerance)


def test_sums_hold_no_photos_features_and_after_a_removal_no_name(
    toy_folder: Path, tmp_path: Path, own_cache: Path
) -> None:
    features = ImageClassifier(**FIXED, **HEADS[0]).fit(toy_folder)
    assert features.kept_ is not None
    folder = summing().fit(toy_folder).save(tmp_path / "model")
    held = b"".join(path.read_bytes() for path in folder.iterdir())
    assert NAME.encode() in held
    for row in features.kept_.rows:
        for kind in (np.float16, np.float32, np.float64):
            assert row.astype(kind).tobytes() not in held
    digest = features.kept_.digests[features.paths_.index(NAME)].tobytes()
    load(folder).update(remove=[toy_folder / NAME]).save(folder)
    for root in (folder, own_cache):
        left = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
        assert digest not in left
        assert b"disc 3.png" not in left


def test_what_sums_cannot_do_is_said_in_one_sentence(toy_folder: Path, tmp_path: Path) -> None:
    model = summing().fit(toy_folder)
    scores = model.decision_function(toy_folder / "test")
    other = new_photo(tmp_path / NAME, "disc", 99)
    copy = new_photo(tmp_path / "more" / "noise" / "copy.png", "disc", 3)
    refused: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (OptionError, "keeps sums", {"reselect": True}),
        (DataError, "has to be seen again", {"remove": [NAME]}),
        (DataError, "not among the 36 training photos", {"remove": ["elsewhere.png"]}),
        (DataError, "not the photo", {"remove": [other]}),
        (DataError, "is in the model as disc", {"add": copy.parents[1]}),
        (DataError, "at least two", {"remove": sorted((toy_folder / "train").glob("[dn]*/*.png"))}),
    ]
    for error, words, change in refused:
        with pytest.raises(error, match=words):
            model.update(**change)
    np.testing.assert_array_equal(model.decision_function(toy_folder / "test"), scores)
    assert not model.stale_
    with pytest.raises(OptionError, match="keeps no features"):
        next(model.iter_predictions(toy_folder / "test", why=1))
    for how, words in (
        ({"kernel": "optical"}, "`kernel='linear'`"),
        ({"class_weight": "balanced"}, "leave `class_weight`"),
    ):
        with pytest.raises(OptionError, match=words):
            summing(**how).fit(toy_folder)
    with pytest.raises(ResourceError, match="`pool='avg'`"):
        summing(pool="flatten", image_size=64, max_memory=10_000_000).fit(toy_folder)
