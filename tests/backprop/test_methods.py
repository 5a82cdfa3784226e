import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from tests.backprop.conftest import (
    BRIEF,
    CPU,
    PLAIN,
    SIDE,
    Toys,
    fine_tune,
    linear_probe,
    network_of,
    scratch,
    toys,
    untimed,
)

pytest.importorskip("torch")

import torch

from lightprobe import load
from lightprobe.backbones import TorchBackbone, create_backbone
from lightprobe.backprop import Scratch
from lightprobe.backprop.base import GradientClassifier
from lightprobe.errors import DataError, LightprobeError, ModelFileError, OptionError
from lightprobe.images import ImageSet, open_images

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("make", [scratch, fine_tune, linear_probe])
def test_every_method_overfits_toys_and_a_saved_model_answers_the_same(
    make: Callable[..., GradientClassifier], train_toys: Toys, test_toys: Toys, tmp_path: Path
) -> None:
    model = make(recipe=replace(PLAIN, epochs=8)).fit(*train_toys)
    assert max(row["train_accuracy"] for row in model.history_) == 1.0
    assert model.classes_.tolist() == ["disc", "noise", "stripes"]
    assert model.score(*test_toys) > 0.8
    again = load(model.save(tmp_path / "model"))
    assert type(again) is type(model)
    np.testing.assert_array_equal(again.predict_proba(test_toys[0]), model.predict_proba(test_toys[0]))
    np.testing.assert_allclose(model.predict_proba(test_toys[0]).sum(axis=1), 1, rtol=1e-6)
    assert [a.labels[0] for a in again.iter_predictions(test_toys[0])] == model.predict(test_toys[0]).tolist()
    assert again.history_ == model.history_
    assert again.recipe_ == model.recipe_


@pytest.mark.parametrize("make", [scratch, fine_tune, linear_probe])
def test_parameters_are_scikit_learns(make: Callable[..., GradientClassifier]) -> None:
    model = make(random_state=7, group="x")
    assert clone(model).get_params() == model.get_params()
    assert {"image_size", "recipe", "cache", "random_state"} <= set(model.get_params())
    assert model.set_params(devices=2).devices == 2
    assert not any(name.endswith("_") for name in model.get_params())
    with pytest.raises(TypeError):
        type(model)("cnn2", "random")  # one positional parameter only


def test_what_predicts_is_the_network_that_was_trained(trained: Scratch, train_toys: Toys) -> None:
    inputs = torch.from_numpy(train_toys[0]).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    features = network_of(trained).network(["dense"])((inputs - mean) / std)["dense"].flatten(1)
    scores = features @ torch.from_numpy(trained.weight_).T + torch.from_numpy(trained.bias_)
    np.testing.assert_allclose(trained.predict_proba(train_toys[0]), scores.softmax(1), atol=2e-3)


def test_a_probe_is_trained_on_standardised_features_and_answers_for_plain_ones(train_toys: Toys) -> None:
    model = linear_probe(replace(PLAIN, epochs=8)).fit(*train_toys)
    validation = model._split(open_images(train_toys)).validation
    assert model.score(validation) == pytest.approx(model.val_accuracy_)
    answers = np.log(model.evaluate(validation).probabilities)[np.arange(len(validation)), validation.labels]
    assert -answers.mean() == pytest.approx(model.history_[model.best_epoch_ - 1]["val_loss"], rel=1e-3)


@pytest.mark.parametrize("unfreeze", ["head", 1])
def test_frozen_parts_are_bit_identical_after_training(train_toys: Toys, unfreeze: str | int) -> None:
    untrained = create_backbone("cnn2", weights="random", image_size=SIDE, in_torch=True)
    assert isinstance(untrained, TorchBackbone)
    before = untrained.state
    cut = {"cut": "layers.1"}
    after = network_of(fine_tune(replace(PLAIN, epochs=2), unfreeze=unfreeze, **cut).fit(*train_toys)).state
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    if unfreeze == "head":
        assert not changed
    else:
        assert {name.rsplit(".", 2)[0] for name in changed} == {"layers.1"}
        assert any("running_mean" in name for name in changed), "the batch norms of what learns do learn"


def test_a_shortened_network_is_fine_tuned_up_to_its_cut(train_toys: Toys) -> None:
    model = fine_tune(BRIEF, cut="layers.0").fit(*train_toys)
    assert model.backbone_.cut == "layers.0"
    assert not any("layers.1" in name for name in network_of(model).state)
    assert model.weight_.shape == (3, 16)


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_last_epoch(toy_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = (
        f"-m lightprobe train {toy_folder} --out {run} --method scratch --network cnn2 --image-size 24 "
        "--device cpu -q --json --epochs 400 --set schedule=constant --set patience=null"
    )
    command = [sys.executable, *words.split()]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not (run / "checkpoint" / "last.ckpt").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    epochs = len((run / "epochs.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert 1 <= epochs < 400
    row = json.loads(subprocess.check_output([*command, "--epochs", str(epochs + 3), "--resume"], text=True))
    assert row["epochs"] == epochs + 3


def test_a_val_split_beside_test_validates(toy_folder: Path) -> None:
    (toy_folder / "test").rename(toy_folder / "val")
    for kind in ("disc", "noise", "stripes"):
        target = toy_folder / "test" / kind
        target.mkdir(parents=True)
        (toy_folder / "train" / kind / f"{kind} 0.png").rename(target / "a.png")
    model = scratch(BRIEF).fit(toy_folder)
    assert (model.n_train_, model.n_validation_) == (33, 12)


def test_a_class_with_one_photo_trains_and_all_of_one_photo_are_refused() -> None:
    pictures, names = toys(range(6))
    keep = [i for i, name in enumerate(names) if name != "disc" or i == 0]
    model = scratch(BRIEF).fit(pictures[keep], [names[i] for i in keep])
    assert model.classes_.tolist() == ["disc", "noise", "stripes"]
    few, labels = toys(range(1))
    with pytest.raises(DataError, match="one photo only"):
        scratch().fit(few, labels)


def test_a_damaged_photo_is_skipped_or_with_strict_named(toy_folder: Path) -> None:
    (toy_folder / "train" / "disc" / "disc 3.png").write_bytes(b"")
    model = scratch(BRIEF).fit(toy_folder)
    assert [s.path for s in model.skipped_] == ["train/disc/disc 3.png"]
    with pytest.raises(DataError, match="disc 3"):
        scratch(strict=True).fit(toy_folder)


def test_a_network_from_scratch_can_be_used_as_weights(train_toys: Toys, tmp_path: Path) -> None:
    model = scratch(BRIEF, batch_norm=False, pooling="avg").fit(*train_toys)
    model.save_backbone(tmp_path / "mine.safetensors")
    backbone = create_backbone("cnn2", weights=tmp_path / "mine.safetensors")
    assert backbone.preprocessing == model.backbone_.preprocessing
    assert backbone.digest == model.backbone_.digest


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: fine_tune(unfreeze=99), "from 1 to"),
        (lambda: fine_tune(unfreeze="tail"), "all, head"),
        (lambda: Scratch("resnet18", batch_norm=False, **CPU), "batch_norm cannot .* only for cnn2"),
        (lambda: Scratch("resnet19", **CPU), "resnet18"),
        (lambda: scratch(pooling="min"), "max, avg, stride"),
        (lambda: scratch("fast"), "tutorial"),
    ],
)
def test_what_cannot_be_trained_gets_one_sentence(
    model: Callable[[], GradientClassifier], words: str, train_toys: Toys
) -> None:
    with pytest.raises(LightprobeError, match=words):
        model().fit(*train_toys)


def test_a_model_of_an_unknown_method_is_refused(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes())
    config = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    # Of the first format version, which has no checksum that would find the change first.
    config |= {"method": "boosting", "format_version": 1}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelFileError, match="boosting"):
        load(tmp_path)


def test_what_only_the_closed_form_can_say_is_refused(trained: Scratch, train_toys: Toys) -> None:
    for asked in ({"unknown": 0.05}, {"why": 2}, {"coverage": 0.9}):
        with pytest.raises(OptionError, match="`method='optical'`"):
            next(trained.iter_predictions(train_toys[0][:1], **asked))


def test_a_card_and_facts_tell_of_the_training(trained: Scratch, saved: Path, photos: ImageSet) -> None:
    card = (saved / "README.md").read_text(encoding="utf-8")
    assert f"4 epochs, the weights of epoch {trained.best_epoch_}" in card
    assert f"{trained.val_accuracy_:.1%} of {trained.n_validation_} photos" in card
    facts = trained.fitted.facts()
    assert facts["method"] == "scratch"
    assert (facts["epochs"], facts["best_epoch"], facts["lr"]) == (4, trained.best_epoch_, PLAIN.lr)
    assert facts["n_train"] + facts["n_validation"] == 36
    assert [row["epoch"] for row in untimed(trained.history_)] == [1, 2, 3, 4]
    assert facts["recipe"] == PLAIN.to_config()
    assert photos.classes == tuple(trained.classes_)
