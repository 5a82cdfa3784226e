import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.backprop.conftest import PLAIN, Toys, toys

from lightprobe import load
from lightprobe.backbones import create_backbone
from lightprobe.backprop import FineTune, LinearProbe, Recipe, Scratch, trainables
from lightprobe.backprop.base import GradientClassifier
from lightprobe.backprop.batches import Batch
from lightprobe.errors import DataError, LightprobeError, ModelFileError, OptionError
from lightprobe.images import open_images

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32", "engine": "eager"}


def scratch(recipe: Recipe | str = PLAIN, **how: Any) -> Scratch:
    return Scratch("cnn2", image_size=24, recipe=recipe, **{**CPU, **how})


def fine_tune(recipe: Recipe = PLAIN, **how: Any) -> FineTune:
    return FineTune(recipe=recipe, **{**CPU, "image_size": 32, **how})


def linear_probe(recipe: Recipe = PLAIN, **how: Any) -> LinearProbe:
    return LinearProbe(image_size=64, recipe=recipe, **{**CPU, **how})


@pytest.mark.parametrize("make", [scratch, partial(fine_tune, image_size=64), linear_probe])
def test_every_method_overfits_toys_and_a_saved_model_answers_the_same(
    make: Callable[..., GradientClassifier], train_toys: Toys, test_toys: Toys, tmp_path: Path
) -> None:
    model = make(recipe=replace(PLAIN, epochs=15, lr=0.01)).fit(*train_toys)
    assert max(row["train_accuracy"] for row in model.history_) == 1.0
    assert model.classes_.tolist() == ["disc", "noise", "stripes"]
    again = load(model.save(tmp_path / "model"))
    assert type(again) is type(model)
    np.testing.assert_array_equal(again.predict_proba(test_toys[0]), model.predict_proba(test_toys[0]))
    assert again.predict(test_toys[0]).tolist() == model.predict(test_toys[0]).tolist()
    np.testing.assert_allclose(model.predict_proba(test_toys[0]).sum(axis=1), 1, rtol=1e-6)
    assert [a.labels[0] for a in again.iter_predictions(test_toys[0])] == again.predict(test_toys[0]).tolist()
    assert again.history_ == model.history_


def test_what_predicts_is_the_network_that_was_trained(train_toys: Toys) -> None:
    model = scratch().fit(*train_toys)
    inputs = torch.from_numpy(train_toys[0]).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    features = model.backbone_.network(["dense"])((inputs - mean) / std)["dense"].flatten(1)
    scores = features @ torch.from_numpy(model.weight_).T + torch.from_numpy(model.bias_)
    np.testing.assert_allclose(model.predict_proba(train_toys[0]), scores.softmax(1), atol=2e-3)


@pytest.mark.parametrize("unfreeze", ["head", 1])
def test_frozen_parts_are_bit_identical_after_training(train_toys: Toys, unfreeze: str | int) -> None:
    before = create_backbone("starter", image_size=32).state
    after = fine_tune(replace(PLAIN, epochs=2), unfreeze=unfreeze).fit(*train_toys).backbone_.state
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    if unfreeze == "head":
        assert not changed
    else:
        assert changed
        assert {name.split(".")[1] for name in changed} == {"block4"}
        assert any("running_mean" in name for name in changed), "the batch norms of what learns do learn"


def test_a_shortened_network_is_fine_tuned_up_to_its_cut(train_toys: Toys) -> None:
    model = fine_tune(replace(PLAIN, epochs=1), cut="trunk_output.block2").fit(*train_toys)
    assert model.backbone_.cut == "trunk_output.block2"
    assert not any("block3" in name for name in model.backbone_.state)
    assert model.weight_.shape == (3, 104)


def test_a_resumed_training_is_the_uninterrupted_one(train_toys: Toys, tmp_path: Path) -> None:
    recipe = replace(
        PLAIN, scale=(0.5, 1.0), flip=True, trivial_augment=True, sizes=(), freeze_epochs=1, lr_decay=0.5
    )
    whole = fine_tune(recipe).fit(*train_toys)

    def stop_after_two(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fine_tune(recipe, checkpoint=tmp_path, on_epoch=stop_after_two).fit(*train_toys)
    seen: list[int] = []
    resumed = fine_tune(
        recipe, checkpoint=tmp_path, resume=True, on_epoch=lambda row: seen.append(row["epoch"])
    ).fit(*train_toys)
    assert seen == [3, 4]
    np.testing.assert_array_equal(resumed.weight_, whole.weight_)
    for name, tensor in whole.backbone_.state.items():
        assert torch.equal(tensor, resumed.backbone_.state[name]), name
    untimed = [{k: v for k, v in row.items() if k != "seconds"} for row in whole.history_]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in resumed.history_] == untimed


def test_a_checkpoint_of_another_network_is_refused(train_toys: Toys, tmp_path: Path) -> None:
    scratch(replace(PLAIN, epochs=1), checkpoint=tmp_path).fit(*train_toys)
    with pytest.raises(ModelFileError, match="cannot be resumed from"):
        scratch(checkpoint=tmp_path, resume=True, batch_norm=False).fit(*train_toys)


def test_the_epoch_that_was_best_on_validation_photos_is_kept(train_toys: Toys) -> None:
    # A rate that wrecks the network again and again makes epochs differ.
    model = scratch(replace(PLAIN, epochs=8, lr=0.6, schedule="constant")).fit(*train_toys)
    ranks = [(row["val_accuracy"], -row["val_loss"]) for row in model.history_]
    assert model.best_epoch_ == ranks.index(max(ranks)) + 1
    assert model.best_epoch_ < 8
    split = model._split(open_images(train_toys))
    assert model.score(split.validation) == pytest.approx(model.val_accuracy_)


def test_patience_ends_training_and_seconds_to_99_percent_lie_within(train_toys: Toys) -> None:
    model = scratch(replace(PLAIN, epochs=40, patience=3, schedule="constant")).fit(*train_toys)
    assert len(model.history_) == model.best_epoch_ + 3 < 40
    assert 0 < model.seconds_["to_99"] <= model.seconds_["features"] + model.seconds_["fit"]


def test_ctrl_c_keeps_the_best_so_far(train_toys: Toys) -> None:
    def interrupt(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    model = scratch(replace(PLAIN, epochs=500), on_epoch=interrupt).fit(*train_toys)
    assert model.interrupted_
    assert len(model.history_) == 2
    assert model.predict(train_toys[0]).shape == (36,)
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_before_the_first_epoch_is_over_leaves_nothing(
    train_toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_self: trainables.PictureLearner, batch: Batch) -> torch.Tensor:
        signal.raise_signal(signal.SIGINT)
        return batch.inputs

    monkeypatch.setattr(trainables.PictureLearner, "view", interrupt)
    with pytest.raises(KeyboardInterrupt):
        scratch().fit(*train_toys)


def test_training_in_another_thread_works_without_signals(train_toys: Toys) -> None:
    model = scratch(replace(PLAIN, epochs=1))
    thread = threading.Thread(target=model.fit, args=train_toys)
    thread.start()
    thread.join()
    assert len(model.history_) == 1


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_last_epoch(toy_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = [
        "--method",
        "scratch",
        "--network",
        "cnn2",
        "--image-size",
        "24",
        "--device",
        "cpu",
        "-q",
        "--json",
    ]
    long = [*options, "--epochs", "400", "--set", "schedule=constant", "--set", "patience=null"]
    command = [sys.executable, "-m", "lightprobe", "train", str(toy_folder), "--out", str(run), *long]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not (run / "checkpoint" / "last.ckpt").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    epochs = len((run / "epochs.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert 1 <= epochs < 400
    row = json.loads(subprocess.check_output([*command, "--epochs", str(epochs + 3), "--resume"], text=True))
    assert row["epochs"] == epochs + 3


def test_test_photos_are_watched_and_choose_nothing(toy_folder: Path) -> None:
    images = open_images(toy_folder)
    watched = scratch(watch_test=True).fit(images)
    blind = scratch().fit(images)
    assert watched.history_[-1]["test_accuracy"] == pytest.approx(scratch_score(watched, images))
    assert all(row["test_accuracy"] is None for row in blind.history_)
    np.testing.assert_array_equal(watched.weight_, blind.weight_)


def scratch_score(model: Scratch, images: object) -> float:
    assert model.best_epoch_ == len(model.history_), "the last epoch's test accuracy is the kept weights'"
    return model.score(images)


def test_a_val_split_beside_test_validates(toy_folder: Path) -> None:
    (toy_folder / "test").rename(toy_folder / "val")
    (toy_folder / "train" / "disc").parent.joinpath("..", "test").resolve().mkdir()
    for kind in ("disc", "noise", "stripes"):
        target = toy_folder / "test" / kind
        target.mkdir()
        (toy_folder / "train" / kind / f"{kind} 0.png").rename(target / "a.png")
    model = scratch(replace(PLAIN, epochs=1)).fit(toy_folder)
    assert (model.n_train_, model.n_validation_) == (33, 12)


def test_a_class_with_one_photo_trains_and_all_of_one_photo_are_refused() -> None:
    pictures, names = toys(range(6))
    keep = [i for i, name in enumerate(names) if name != "disc" or i == 0]
    model = scratch(replace(PLAIN, epochs=1)).fit(pictures[keep], [names[i] for i in keep])
    assert model.classes_.tolist() == ["disc", "noise", "stripes"]
    few, labels = toys(range(1))
    with pytest.raises(DataError, match="one photo only"):
        scratch().fit(few, labels)


def test_a_damaged_photo_is_skipped_or_with_strict_named(toy_folder: Path) -> None:
    (toy_folder / "train" / "disc" / "disc 3.png").write_bytes(b"")
    model = scratch(replace(PLAIN, epochs=1)).fit(toy_folder)
    assert [s.path for s in model.skipped_] == ["train/disc/disc 3.png"]
    with pytest.raises(DataError, match="disc 3"):
        scratch(strict=True).fit(toy_folder)


def test_a_rate_is_found_on_validation_photos(train_toys: Toys) -> None:
    model = scratch(replace(PLAIN, lr="auto", epochs=1)).fit(*train_toys)
    assert model.lr_ in (0.01, 0.03, 0.1, 0.3, 1.0)
    assert model.seconds_["search"] > 0


def test_a_network_from_scratch_can_be_used_as_weights(train_toys: Toys, tmp_path: Path) -> None:
    model = scratch(replace(PLAIN, epochs=1), batch_norm=False, pooling="avg").fit(*train_toys)
    model.save_backbone(tmp_path / "mine.safetensors")
    backbone = create_backbone("cnn2", weights=tmp_path / "mine.safetensors")
    assert backbone.preprocessing == model.backbone_.preprocessing
    assert backbone.digest == model.backbone_.digest


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: fine_tune(unfreeze=99), "from 1 to"),
        (lambda: fine_tune(unfreeze="tail"), "all, head"),
        (lambda: Scratch("resnet18", batch_norm=False, **CPU), "only for cnn2"),
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


def test_a_model_of_an_unknown_method_is_refused(train_toys: Toys, tmp_path: Path) -> None:
    folder = scratch(replace(PLAIN, epochs=1)).fit(*train_toys).save(tmp_path / "m")
    text = (folder / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").write_text(text.replace('"scratch"', '"boosting"', 1), encoding="utf-8")
    with pytest.raises(ModelFileError, match="boosting"):
        load(folder)
    with pytest.raises(OptionError):
        scratch().set_params(recipe="nowhere").fit(*train_toys)


def test_what_only_the_closed_form_can_say_is_refused(train_toys: Toys) -> None:
    model = scratch(recipe=replace(PLAIN, epochs=1)).fit(*train_toys)
    for asked in ({"unknown": 0.05}, {"why": 2}):
        with pytest.raises(OptionError, match="--method optical"):
            next(model.iter_predictions(train_toys[0][:1], **asked))
