import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from sklearn.base import clone
from sklearn.utils.validation import NotFittedError
from tests.classifier.rounding import kernel_of, score_tolerance
from tests.toys import CLASSES, draw_toys, toy_image

from lightprobe import ImageClassifier, load
from lightprobe.errors import DataError, ModelFileError, OptionError
from lightprobe.images import open_images
from lightprobe.paths import cache_folder


def toy_classifier(**parameters: Any) -> ImageClassifier:
    return ImageClassifier(**{"precision": "fp32", "device": "cpu", **parameters})


@pytest.fixture(scope="module")
def fitted_once(tmp_path_factory: pytest.TempPathFactory, toy_networks: Path) -> ImageClassifier:
    folder = tmp_path_factory.mktemp("fitted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightprobe.backbones.zoo.PACKAGED_FILES", toy_networks)
        patch.setenv("LIGHTPROBE_CACHE", str(folder / "cache"))
        return toy_classifier().fit(draw_toys(folder))


@pytest.fixture
def fitted(fitted_once: ImageClassifier) -> ImageClassifier:
    """A classifier of a test's own, fitted to the photos of `toy_folder`."""
    return deepcopy(fitted_once)


def test_toys_are_told_apart_and_leave_one_out_says_so(fitted: ImageClassifier, toy_folder: Path) -> None:
    assert fitted.classes_.tolist() == sorted(CLASSES)
    assert fitted.loo_accuracy_ > 0.9
    assert fitted.score(toy_folder) > 0.9
    assert fitted.n_train_ == 36
    assert {c.choice.taps.pool for c in fitted.candidates_} == {"avg"}


def test_leave_one_out_is_what_refits_without_the_photo_say(toy_folder: Path) -> None:
    images = open_images(toy_folder).training
    chosen = toy_classifier(pool="avg", encode="l2", kernel="optical").fit(images)
    alpha = chosen.head_.alpha_
    assert chosen.kept_ is not None
    tolerance = score_tolerance(kernel_of(chosen.kept_.rows, "optical"), alpha)
    for left_out in (0, 13, 30):
        rest = images.select(np.delete(np.arange(len(images)), left_out))
        refit = toy_classifier(pool="avg", encode="l2", kernel="optical").fit(rest)
        # alpha is held fixed in absolute terms: translate it to the smaller set's relative scale
        relative = alpha / (refit.head_.alpha_ / refit.head_.alpha_relative_)
        refit = toy_classifier(pool="avg", encode="l2", kernel="optical", alpha=relative).fit(rest)
        scores = refit.decision_function([toy_folder / images.paths[left_out]])
        np.testing.assert_allclose(chosen.loo_scores_[left_out], scores[0], rtol=0, atol=tolerance)


def test_views_of_a_thing_are_left_out_together_and_plain_leave_one_out_overstates(tmp_path: Path) -> None:
    """Things whose class cannot be seen: only another view of the same thing gives it away."""
    rng = np.random.default_rng(0)
    for thing in range(16):
        colours = rng.integers(0, 256, (3, 3, 3))
        folder = tmp_path / "photos" / ("a" if thing % 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        for view in range(4):
            shade = np.clip(colours + rng.normal(0, 4, colours.shape), 0, 255).astype(np.uint8)
            Image.fromarray(shade).resize((32, 32), Image.Resampling.NEAREST).save(
                folder / f"thing{thing}-{view}.png"
            )
    how = {"pool": "avg", "encode": "l2", "kernel": "optical"}
    plain = toy_classifier(**how).fit(tmp_path / "photos")
    grouped = toy_classifier(**how, group=r"thing(\d+)-").fit(tmp_path / "photos")
    assert (plain.n_groups_, grouped.n_groups_) == (None, 16)
    assert plain.loo_accuracy_ > 0.85
    assert grouped.loo_accuracy_ < 0.75
    images = open_images(tmp_path / "photos", group=r"thing(\d+)-")
    assert images.groups is not None
    away = images.groups == images.groups[0]
    rest = images.select(~away)
    one = toy_classifier(**how, alpha=0.1)
    whole = clone(one).fit(images)
    part = clone(one).fit(rest)
    one.set_params(alpha=0.1 * whole.head_.alpha_ / part.head_.alpha_)  # held fixed in absolute terms
    scores = one.fit(rest).decision_function([tmp_path / "photos" / p for p in images.select(away).paths])
    assert whole.kept_ is not None
    tolerance = score_tolerance(kernel_of(whole.kept_.rows, "optical"), whole.head_.alpha_)
    np.testing.assert_allclose(whole.loo_scores_[away, 1], scores, rtol=0, atol=tolerance)


def test_balanced_class_weights_reach_the_head(toy_folder: Path, tmp_path: Path) -> None:
    for photo in sorted((toy_folder / "train" / "disc").iterdir())[3:]:
        photo.unlink()
    model = toy_classifier(class_weight="balanced").fit(toy_folder)
    np.testing.assert_allclose(model.head_.class_weight_, 27 / (3 * np.array([3, 12, 12])))
    assert model.candidates_[0].loo_balanced_accuracy is not None
    assert load(model.save(tmp_path / "model")).class_weight == "balanced"


def test_test_photos_change_nothing_of_what_is_chosen(fitted: ImageClassifier, toy_folder: Path) -> None:
    shutil.rmtree(toy_folder / "test")
    alone = toy_classifier().fit(toy_folder / "train")
    assert alone.choice_ == fitted.choice_
    np.testing.assert_array_equal(alone.loo_scores_, fitted.loo_scores_)


def test_classes_of_a_test_set_are_matched_by_name(fitted: ImageClassifier, toy_folder: Path) -> None:
    everything = fitted.score(toy_folder)
    shutil.rmtree(toy_folder / "test" / "disc")
    assert fitted.score(toy_folder) >= min(everything, 0.9)
    (toy_folder / "test" / "noise").rename(toy_folder / "test" / "static")
    with pytest.raises(DataError, match="static"):
        fitted.score(toy_folder)


def test_a_model_that_was_saved_predicts_the_same_to_the_last_bit(
    fitted: ImageClassifier, toy_folder: Path, tmp_path: Path
) -> None:
    again = load(fitted.save(tmp_path / "model"))
    photos = toy_folder / "test"
    np.testing.assert_array_equal(again.decision_function(photos), fitted.decision_function(photos))
    np.testing.assert_array_equal(again.predict_proba(photos), fitted.predict_proba(photos))
    assert again.loo_accuracy_ == fitted.loo_accuracy_
    assert again.choice_ == fitted.choice_
    assert again.get_params() == fitted.get_params()


@pytest.mark.parametrize(
    "how",
    [{"encode": "sign", "kernel": "optical", "pool": "flatten"}, {"kernel": "linear"}, {"components": 64}],
)
def test_every_kind_of_head_survives_the_disk(toy_folder: Path, tmp_path: Path, how: dict[str, Any]) -> None:
    model = toy_classifier(**how).fit(toy_folder)
    again = load(model.save(tmp_path / "model"))
    photos = toy_folder / "test"
    np.testing.assert_array_equal(again.decision_function(photos), model.decision_function(photos))


def test_two_classes_score_as_in_scikit_learn(toy_folder: Path, tmp_path: Path) -> None:
    model = toy_classifier(class_map="noise=noise,other=*").fit(toy_folder)
    assert model.classes_.tolist() == ["noise", "other"]
    scores, photos = model.decision_function(toy_folder / "test"), toy_folder / "test"
    assert scores.shape == (12,)
    np.testing.assert_array_equal(model.predict(photos), model.classes_[(scores > 0).astype(int)])
    assert model.score(toy_folder) > 0.9
    assert load(model.save(tmp_path / "model")).score(toy_folder) == model.score(toy_folder)


def test_probabilities_are_probabilities_and_name_the_prediction(
    fitted: ImageClassifier, toy_folder: Path
) -> None:
    probabilities = fitted.predict_proba(toy_folder / "test")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert probabilities.min() >= 0
    predicted = fitted.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(predicted, fitted.predict(toy_folder / "test"))


def test_paths_arrays_and_folders_are_the_same_photos(fitted: ImageClassifier) -> None:
    arrays = np.stack([toy_image(kind, seed) for kind in CLASSES for seed in range(100, 104)])
    labels = [kind for kind in CLASSES for _ in range(4)]
    assert fitted.score(arrays, labels) > 0.9
    model = toy_classifier().fit(arrays, labels)
    assert model.predict(arrays[:1]).shape == (1,)


def test_answers_come_in_order_and_a_bad_file_has_its_own(
    fitted: ImageClassifier, toy_folder: Path, tmp_path: Path
) -> None:
    photos = sorted((toy_folder / "test").rglob("*.png"))
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"not an image")
    asked = [*photos[:3], bad, *photos[3:]]
    answers = list(fitted.set_params(batch_size=4).iter_predictions(asked, top=2))
    assert [Path(a.path) for a in answers] == asked
    assert [bool(a.error) for a in answers] == [path == bad for path in asked]
    assert all(
        len(a.labels) == 2 and a.probabilities[0] >= a.probabilities[1] for a in answers if not a.error
    )
    with pytest.raises(DataError, match=r"bad\.jpg"):
        fitted.predict(asked)


def test_a_class_whose_photos_are_all_broken_is_an_error_that_names_it(toy_folder: Path) -> None:
    for photo in (toy_folder / "train" / "disc").iterdir():
        photo.write_bytes(b"")
    with pytest.raises(DataError, match="disc"):
        toy_classifier().fit(toy_folder)


def test_photos_that_were_skipped_are_listed(toy_folder: Path) -> None:
    (toy_folder / "train" / "disc" / "disc 3.png").write_bytes(b"")
    model = toy_classifier().fit(toy_folder)
    assert [s.path for s in model.skipped_] == ["train/disc/disc 3.png"]
    assert model.n_train_ == len(model.paths_) == len(model.loo_scores_) == 35


def test_it_is_a_scikit_learn_estimator(fitted: ImageClassifier) -> None:
    assert clone(fitted).get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        clone(fitted).predict(["a.jpg"])


@pytest.mark.parametrize(("name", "value"), [("pool", "max"), ("encode", "bits"), ("kernel", "rbf")])
def test_a_parameter_that_is_not_allowed_is_named_with_those_that_are(
    toy_folder: Path, name: str, value: str
) -> None:
    with pytest.raises(OptionError, match=rf"{name} is '{value}'; allowed are auto"):
        toy_classifier(**{name: value}).fit(toy_folder)


def test_a_model_whose_parts_do_not_fit_each_other_is_refused(
    fitted: ImageClassifier, tmp_path: Path
) -> None:
    folder = fitted.save(tmp_path / "model")
    tensors, config = folder / "model.safetensors", folder / "config.json"
    described = json.loads(config.read_text(encoding="utf-8"))
    described |= {"format_version": 1}  # which has no checksum that would find this first
    config.write_text(json.dumps({**described, "classes": ["only one"]}), encoding="utf-8")
    with pytest.raises(ModelFileError, match="damaged or incomplete"):
        load(folder)
    arrays = load_file(tensors)
    del arrays["head.intercept"]
    save_file(arrays, tensors)
    import hashlib

    config.write_text(
        json.dumps({**described, "sha256": hashlib.sha256(tensors.read_bytes()).hexdigest()}),
        encoding="utf-8",
    )
    with pytest.raises(ModelFileError):
        load(folder)


def test_nothing_is_written_beside_the_photos(toy_folder: Path) -> None:
    toy_classifier().fit(toy_folder)
    assert sorted(p.name for p in toy_folder.iterdir()) == ["test", "train"]
    assert all(p.suffix == ".png" for p in toy_folder.rglob("*") if p.is_file())


def test_greyscale_and_odd_sizes_are_fine(fitted: ImageClassifier, tmp_path: Path) -> None:
    path = tmp_path / "wide.jpg"
    Image.fromarray(toy_image("stripes", 7)).convert("L").resize((300, 20)).save(path)
    assert fitted.predict([path]).shape == (1,)


def test_an_int8_model_is_calibrated_on_its_photos_and_survives_the_disk(
    toy_folder: Path, tmp_path: Path, int8: None
) -> None:
    whole = toy_classifier(pool="avg", engine="openvino").fit(toy_folder)
    model = toy_classifier(pool="avg", precision="int8").fit(toy_folder)
    assert (model.network_.engine, model.network_.precision) == ("openvino", "int8")
    assert model.network_.weight_bytes < 0.35 * whole.network_.weight_bytes
    assert 0.9 < model.network_.agreement < 1.0 < whole.network_.agreement + 1e-4
    again = load(model.save(tmp_path / "model"))
    shutil.rmtree(cache_folder())
    photos = toy_folder / "test"
    np.testing.assert_array_equal(again.predict_proba(photos), model.predict_proba(photos))
    assert model.score(toy_folder) > 0.8


def test_an_answer_is_explained_by_training_photos_whose_shares_sum_to_its_score(
    toy_folder: Path, tmp_path: Path
) -> None:
    model = toy_classifier(pool="avg", encode="l2", kernel="optical").fit(toy_folder)
    model = ImageClassifier.load(model.save(tmp_path / "model"))
    photo = toy_folder / "test" / "disc" / "disc 100.png"
    (why,) = model.explain([photo], k=36)
    assert why.label == "disc"
    scores = model.decision_function([photo])[0]
    assert why.score == pytest.approx(scores.max())
    every = why.arguments_for + why.arguments_against
    assert sum(a.value for a in every) + why.base == pytest.approx(why.score)
    assert every[0].label == "disc"
    assert [a.value for a in why.arguments_for] == sorted((a.value for a in why.arguments_for), reverse=True)
    assert all(Path(a.path).parts[-2] == a.label for a in every)
    assert why.nearest[0].label == "disc"
    (again,) = model.explain([toy_folder / "train" / "noise" / "noise 3.png"], k=1)
    assert Path(again.nearest[0].path).name == "noise 3.png"
    assert again.nearest[0].value == pytest.approx(1.0, abs=1e-3)
    linear = toy_classifier(kernel="linear").fit(toy_folder)
    (why,) = linear.explain([photo], k=36)
    every = why.arguments_for + why.arguments_against
    score = linear.decision_function([photo]).max()
    assert sum(a.value for a in every) + why.base == pytest.approx(score, rel=0.02)
    with pytest.raises(OptionError, match="keeps no features"):
        toy_classifier(kernel="linear", keep="nothing").fit(toy_folder).explain([photo])


@pytest.mark.parametrize("keep", ["features", "nothing"])
def test_sets_of_labels_survive_saving_whatever_is_kept(toy_folder: Path, tmp_path: Path, keep: str) -> None:
    model = toy_classifier(kernel="linear", keep=keep).fit(toy_folder)
    again = ImageClassifier.load(model.save(tmp_path / "model"))
    before, after = (
        [answer.label_set for answer in one.iter_predictions([toy_folder / "test"], coverage=0.8)]
        for one in (model, again)
    )
    assert before == after
    assert all(held is not None and set(held) <= set(model.classes_) for held in after)
    assert next(again.iter_predictions([toy_folder / "test"])).label_set is None
    with pytest.raises(OptionError, match="The coverage is 1"):
        next(again.iter_predictions([toy_folder / "test"], coverage=1.0))


def test_a_photo_of_another_thing_is_called_unknown(toy_folder: Path, tmp_path: Path) -> None:
    shutil.move(toy_folder / "train" / "noise", tmp_path / "noise")
    shutil.rmtree(toy_folder / "test" / "noise")
    # Larger than the others' pictures: random weights tell more of these.
    model = toy_classifier(image_size=64).fit(toy_folder)
    model = ImageClassifier.load(model.save(tmp_path / "model"))
    strange = list(model.iter_predictions([tmp_path / "noise"], unknown=0.1))
    known = list(model.iter_predictions([toy_folder / "test"], unknown=0.1))
    assert all(answer.unknown for answer in strange)
    assert sum(bool(answer.unknown) for answer in known) <= 3
    assert all(answer.novelty is not None and 0 <= answer.novelty <= 1 for answer in known)
    assert not any(answer.unknown for answer in model.iter_predictions([tmp_path / "noise"]))
    with pytest.raises(OptionError, match="rate of unknown"):
        next(model.iter_predictions([tmp_path / "noise"], unknown=1.5))


def test_cut_auto_compares_the_stages_from_one_pass_and_says_what_it_gained(
    toy_folder: Path, tmp_path: Path
) -> None:
    model = toy_classifier(cut="auto", pool="avg").fit(toy_folder)
    cuts = {c.choice.taps.cut for c in model.candidates_}
    assert len(cuts) > 2
    last = toy_classifier(pool="avg").fit(toy_folder)
    at_the_end = [c for c in model.candidates_ if c.choice.taps.cut == last.choice_.taps.cut]
    best = max(c.loo_accuracy or 0 for c in at_the_end)
    assert best == max(c.loo_accuracy or 0 for c in last.candidates_)
    assert model.cut_gain_ == pytest.approx(model.loo_accuracy_ - best)
    assert last.cut_gain_ is None
    again = load(model.save(tmp_path / "model"))
    assert again.network_.backbone.cut == model.choice_.taps.cut
    np.testing.assert_array_equal(
        again.predict_proba(toy_folder / "test"), model.predict_proba(toy_folder / "test")
    )
