"""Several looks of one network: its centre, all of the photo, mirrored; each for itself and side by side."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file
from tests.toys import CLASSES, toy_image

from lightprobe import ImageClassifier, load
from lightprobe.backbones import DEFAULT, LOOKS, create_backbone
from lightprobe.classifier import fitting
from lightprobe.errors import OptionError
from lightprobe.photo_model import features_of
from lightprobe.selection import choices

THREE: dict[str, Any] = {"looks": "crop,mirror,squash", "kernel": "optical"}


def classifier(**parameters: Any) -> ImageClassifier:
    fixed = {"encode": "l2", "precision": "fp32", "device": "cpu", "cache": False}
    return ImageClassifier(**{**fixed, **parameters})


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos twice as wide as high, their ends unlike their middle."""
    root = tmp_path_factory.mktemp("wide")
    for kind in CLASSES:
        (root / kind).mkdir()
        for seed in range(6):
            ends = toy_image(CLASSES[(CLASSES.index(kind) + seed) % 3], seed)[:, :12]
            pixels = np.hstack([ends, toy_image(kind, seed), ends // 2])
            Image.fromarray(pixels).save(root / kind / f"{seed}.png")
    return root


@pytest.fixture(scope="module")
def fitted(wide: Path, toy_networks: Path) -> ImageClassifier:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightprobe.backbones.zoo.PACKAGED_FILES", toy_networks)
        patch.setattr(fitting, "choices", lambda tap_sets, *rest: choices(list(tap_sets)[-1:], *rest))
        return classifier(**THREE).fit(wide)


def test_each_look_shows_the_network_another_picture() -> None:
    how = create_backbone(DEFAULT).preprocessing
    photo = np.hstack([toy_image(kind, 0, 64) for kind in CLASSES])
    crop, squash, mirror = (how.with_look(look).prepare(photo) for look in LOOKS)
    np.testing.assert_array_equal(mirror, crop[:, ::-1])
    resampling = Image.Resampling[how.interpolation.upper()]
    whole = np.asarray(Image.fromarray(photo).resize((how.crop, how.crop), resampling))
    assert np.abs(squash.astype(int) - whole).max() <= 1
    assert how.with_look("crop") == how
    assert how.to_config() == how.with_look("mirror").with_look("crop").to_config()
    assert "mirror" not in how.to_config()  # so that cached features keep their keys
    assert [how.with_look(look).look for look in LOOKS] == list(LOOKS)


def test_features_side_by_side_are_those_of_each_look_alone(fitted: ImageClassifier, wide: Path) -> None:
    joined = features_of(fitted.fitted, wide, fitted.runtime).astype(float)
    parts = []
    for look in ("crop", "mirror", "squash"):
        alone = classifier(looks=look, kernel="optical").fit(wide).fitted
        rows = features_of(alone, wide, fitted.runtime).astype(float)
        parts.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    np.testing.assert_allclose(joined, np.hstack(parts), atol=1e-3)
    width = parts[0].shape[1]
    assert np.abs(parts[0] - parts[1]).max() > 0.01
    assert np.abs(parts[0] - parts[2]).max() > 0.01
    assert joined.shape[1] == 3 * width


def test_the_first_look_alone_is_compared_with_all_side_by_side(wide: Path) -> None:
    model = classifier(**THREE).fit(wide)
    cuts = {c.choice.taps.cut for c in model.candidates_}
    assert cuts == {"crop:block3", "crop:block3+mirror:block3+squash:block3"}
    assert classifier(looks="squash", kernel="optical").fit(wide).choice_.taps.cut == "block3"


def test_with_two_networks_each_looks_in_every_way(wide: Path) -> None:
    model = classifier(
        backbone="efficientnet_lite0,efficientnet_lite2", looks="crop,squash", kernel="linear"
    ).fit(wide)
    names = [f"efficientnet_lite{n} {look}:block3" for n in (0, 2) for look in ("crop", "squash")]
    a, b, c, d = names
    cuts = {candidate.choice.taps.cut for candidate in model.candidates_}
    assert cuts == {a, c, f"{a}+{b}", f"{c}+{d}", f"{a}+{c}", "+".join(names)}


def test_a_saved_model_holds_its_network_once_and_answers_the_same(
    fitted: ImageClassifier, wide: Path, tmp_path: Path
) -> None:
    folder = fitted.save(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert [beside["network"] for beside in config["beside"]] == [0, 0]
    tensors = load_file(folder / "model.safetensors")
    assert not [name for name in tensors if name.startswith("beside.")]
    again = load(folder)
    np.testing.assert_array_equal(again.predict_proba(wide), fitted.predict_proba(wide))
    assert len({id(network._runners) for network in again.networks_}) == 1
    facts = again.fitted.facts()
    assert (facts["backbone"], facts["looks"]) == (DEFAULT, "crop,mirror,squash")
    assert facts["weight_bytes"] == fitted.networks_[0].weight_bytes


def test_an_update_looks_at_new_photos_in_every_way(wide: Path, toy_networks: Path, tmp_path: Path) -> None:
    more = tmp_path / "more" / "disc"
    more.mkdir(parents=True)
    Image.fromarray(toy_image("disc", 9, 40)).save(more / "new.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "choices", lambda tap_sets, *rest: choices(list(tap_sets)[-1:], *rest))
        model = classifier(**THREE, cache=True).fit(wide)
        before = model.kept_
        model.update(more.parent)
    assert before is not None
    assert model.kept_ is not None
    expected = model.fitted.encode(features_of(model.fitted, more.parent, model.runtime))
    np.testing.assert_array_equal(model.kept_.rows[-1:], expected)
    assert model.kept_.rows.shape == (19, before.rows.shape[1])
    model.update(reselect=True)  # from what each look has in the cache
    assert {c.choice.taps.cut for c in model.candidates_} >= {"crop:block3"}
    answers = list(model.iter_predictions([more], why=2, unknown=0.1))
    assert answers[0].why is not None


@pytest.mark.parametrize("looks", ["wide", "crop,crop", "", "crop,"])
def test_looks_that_are_none_are_refused(looks: str, wide: Path) -> None:
    with pytest.raises(OptionError, match="one or several of crop, squash, mirror, each once"):
        classifier(looks=looks).fit(wide)


def test_a_way_to_look_is_part_of_the_key_of_cached_features(fitted: ImageClassifier, wide: Path) -> None:
    first, mirrored, _ = (network.backbone for network in fitted.networks_)
    assert first.digest == mirrored.digest
    assert first.preprocessing.to_config() != mirrored.preprocessing.to_config()
    assert replace(mirrored.preprocessing, mirror=False) == first.preprocessing
