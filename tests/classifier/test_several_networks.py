"""Several networks: each alone and all side by side are compared, and only what is needed is kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.toys import draw_toys

from lightprobe import ImageClassifier, load
from lightprobe.backbones import create_backbone, describe_backbone, of_each
from lightprobe.classifier import fitting
from lightprobe.errors import BackboneError, OptionError
from lightprobe.export import FORMATS, ExportedClassifier, export
from lightprobe.images import ImageSet, open_images, open_unlabelled
from lightprobe.look import draw_model
from lightprobe.photo_model import look
from lightprobe.selection import choices
from lightprobe.serve.service import Service

NAMES = ("efficientnet_lite0", "efficientnet_lite2")
BOTH: dict[str, Any] = {"backbone": ",".join(NAMES)}


def toy_classifier(**parameters: Any) -> ImageClassifier:
    fixed = {"pool": "avg", "encode": "l2", "precision": "fp32"}
    return ImageClassifier(**{**fixed, "device": "cpu", "cache": False, **parameters})


def only_the_sum(patch: pytest.MonkeyPatch) -> None:
    """Compare nothing else: the toys are too easy for a sum to win."""
    patch.setattr(fitting, "choices", lambda tap_sets, *rest: choices(list(tap_sets)[-1:], *rest))


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training photos and two test photos of each class."""
    return draw_toys(tmp_path_factory.mktemp("several"), 6, 2)


@pytest.fixture(scope="module")
def summed(toys: Path, toy_networks: Path) -> ImageClassifier:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightprobe.backbones.zoo.PACKAGED_FILES", toy_networks)
        only_the_sum(patch)
        return toy_classifier(**BOTH, kernel="optical").fit(toys)


def mean_cosines(training: ImageSet, asked: ImageSet) -> np.ndarray:
    """Mean over the networks, each fitted alone, of the cosines (n_asked, n_training) of what it sees."""
    cosines = []
    for name in NAMES:
        alone = toy_classifier(backbone=name, kernel="optical").fit(training)
        rows, others = (
            look(alone.fitted, images, replace(alone.runtime, strict=True))
            .matrices[alone.fitted.tap_set]
            .astype(float)
            for images in (training, asked)
        )
        lengths = np.outer(np.linalg.norm(others, axis=1), np.linalg.norm(rows, axis=1))
        cosines.append(others @ rows.T / lengths)
    return np.asarray(np.mean(cosines, axis=0))


def test_scores_are_those_of_the_summed_kernel_solved_by_hand(summed: ImageClassifier, toys: Path) -> None:
    images = open_images(toys)
    training, test = images.training, images.test
    assert test is not None
    n, targets = len(training), np.where(training.labels[:, None] == np.arange(3), 1.0, -1.0)
    cosines = mean_cosines(training, training)
    kernel = 1 + cosines**2
    # (K + αI) c + 1b = Y and 1ᵀc = 0
    system = np.block([[kernel + summed.head_.alpha_ * np.eye(n), np.ones((n, 1))], [np.ones((1, n)), 0.0]])
    solution = np.linalg.solve(system, np.vstack([targets, np.zeros((1, 3))]))
    scores = (1 + mean_cosines(training, test) ** 2) @ solution[:-1] + solution[-1]
    np.testing.assert_allclose(summed.decision_function(toys / "test"), scores, atol=0.02)
    # and the linear kernel of what it keeps is the sum of linear kernels, scaled to one
    assert summed.kept_ is not None
    rows = summed.kept_.rows.astype(float)
    np.testing.assert_allclose(rows @ rows.T, cosines, atol=2e-3)


def test_a_sum_is_compared_with_each_network_alone_and_the_cheaper_of_equals_wins(
    toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightprobe.selection.rule.CHEAPER_PHOTOS", 1)
    model = toy_classifier(**BOTH, kernel="optical").fit(toys)
    (network,) = model.networks_
    alone = toy_classifier(backbone=network.backbone.name, kernel="optical").fit(toys)
    cuts = {c.choice.taps.cut for c in model.candidates_}
    ends = [f"{name}:block3" for name in NAMES]
    assert cuts == {*ends, "+".join(ends)}
    assert model.choice_ == alone.choice_
    np.testing.assert_array_equal(model.loo_scores_, alone.loo_scores_)
    folder = model.save(tmp_path / "model")
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["beside"] == []
    again = load(folder)
    assert again.get_params()["backbone"] == BOTH["backbone"]
    np.testing.assert_array_equal(again.predict_proba(toys / "test"), alone.predict_proba(toys / "test"))


def test_a_sum_survives_the_disk_and_explains_itself(
    summed: ImageClassifier, toys: Path, tmp_path: Path
) -> None:
    folder = summed.save(tmp_path / "model")
    again, photos = load(folder), toys / "test"
    np.testing.assert_array_equal(again.decision_function(photos), summed.decision_function(photos))
    answers = list(again.iter_predictions([photos], unknown=0.1, why=2))
    probabilities = summed.predict_proba(photos)
    np.testing.assert_allclose([a.probabilities[0] for a in answers], probabilities.max(axis=1), atol=1e-3)
    assert all(a.why is not None and len(a.why.nearest) == 2 for a in answers)
    assert all(a.novelty is not None for a in answers)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert all(f"{name} up to `block3`" in card for name in NAMES)
    assert summed.fitted.facts()["backbone"] == ",".join(NAMES)
    assert summed.fitted.facts()["cut"] == "+".join(f"{name}:block3" for name in NAMES)


def test_a_sum_is_updated_to_what_training_again_gives(
    toys: Path, toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = "train/disc/disc 0.png"
    (toy_folder / gone).unlink()
    with pytest.MonkeyPatch.context() as patch:
        only_the_sum(patch)
        model = toy_classifier(**BOTH, kernel="optical", cache=True).fit(toys)
        model.update(toy_folder, remove=[gone])
        again = toy_classifier(**BOTH, kernel="optical", cache=True).fit(toy_folder)
    photos = toys / "test"
    np.testing.assert_allclose(
        model.decision_function(photos), again.decision_function(photos), rtol=1e-6, atol=1e-6
    )
    monkeypatch.setattr("lightprobe.selection.rule.CHEAPER_PHOTOS", 1)
    model.update(reselect=True)
    assert len(model.networks_) == 1
    assert model.score(photos) > 0.9


def test_a_service_sees_through_all_networks(summed: ImageClassifier, toys: Path, tmp_path: Path) -> None:
    service = Service(summed.fitted, tmp_path / "model", summed.saved_parameters(), summed.runtime)
    try:
        photos = sorted((toys / "test").rglob("*.png"))[:3]
        answers = service.predict([(photo.name, photo.read_bytes()) for photo in photos])
    finally:
        service.close()
    expected = summed.predict_proba(photos).max(axis=1)
    np.testing.assert_allclose([a.probabilities[0] for a in answers], expected, atol=1e-3)


def test_a_picture_of_a_sum_shows_where_all_of_it_finds_evidence(
    summed: ImageClassifier, toys: Path, tmp_path: Path
) -> None:
    photo = next((toys / "test" / "disc").iterdir())
    seen = draw_model(summed.fitted, photo, tmp_path / "look.png", summed.runtime)
    assert (seen["label"], seen["evidence"]) == (summed.predict([photo])[0], "covering")
    assert (tmp_path / "look.png").is_file()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("looks", [None, "crop,mirror"])
def test_a_sum_is_exported_whole(
    form: str, looks: str | None, toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_the_sum(monkeypatch)
    model = toy_classifier(**BOTH, looks=looks, kernel="optical").fit(toys)
    out = tmp_path / f"sum{FORMATS[form].suffix}"
    said = export(model.fitted, form, out, str(toys / "test"))
    assert said["parity"]["top1_agreement"] == 1.0
    ours = ExportedClassifier.load(out)
    expected = model.predict_proba(toys / "test")
    np.testing.assert_allclose(ours.predict_proba(toys / "test"), expected, atol=1e-4)
    if form == "onnx":
        runtime = pytest.importorskip("onnxruntime")
        session = runtime.InferenceSession(str(out))
        photos = [np.asarray(Image.open(path)) for path in open_unlabelled(toys / "test").paths]
        answers = np.vstack([session.run(["probabilities"], {"pixels": photo[None]})[0] for photo in photos])
        np.testing.assert_allclose(answers, expected, atol=1e-4)


def test_what_works_with_one_network_only_says_so() -> None:
    with pytest.raises(BackboneError, match="names several networks"):
        create_backbone(",".join(NAMES))
    with pytest.raises(BackboneError, match="names several networks"):
        describe_backbone(",".join(NAMES))


def test_weights_and_layers_are_given_one_a_network() -> None:
    assert of_each("weights", None, 2) == [None, None]
    assert of_each("weights", ",b.pth", 2) == [None, "b.pth"]
    assert of_each("weights", [None, Path("b.pth")], 2) == [None, Path("b.pth")]
    assert of_each("weights", "odd, name.pth", 1) == ["odd, name.pth"]
    with pytest.raises(OptionError, match="weights names 1 for 2 networks"):
        of_each("weights", "b.pth", 2)
