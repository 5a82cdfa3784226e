import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.backprop.conftest import BRIEF, PLAIN, Toys, fine_tune, linear_probe, network_of, scratch, untimed

pytest.importorskip("torch")

import torch

from lightprobe.backprop import Scratch
from lightprobe.backprop.base import GradientClassifier
from lightprobe.backprop.batches import Samples
from lightprobe.backprop.trainables import TrainableNetwork
from lightprobe.backprop.training import _class_weights, seconds_to
from lightprobe.errors import ModelFileError
from lightprobe.images import ImageSet, open_images

pytestmark = pytest.mark.torch

# Everything that is random, or moves from epoch to epoch.
LIVELY = replace(
    PLAIN, scale=(0.5, 1.0), flip=True, trivial_augment=True, freeze_epochs=1, lr_decay=0.5, patience=3
)
# Fast enough for epochs to differ, and for a later one to be worse.
SWINGING = replace(PLAIN, epochs=6, lr=0.1, momentum=0.5, schedule="constant")


class PowerCutError(Exception):
    pass


def cut_after(epoch: int) -> Callable[[dict[str, Any]], None]:
    def cut(row: dict[str, Any]) -> None:
        if row["epoch"] == epoch:
            raise PowerCutError

    return cut


def same_model(one: GradientClassifier, other: GradientClassifier) -> None:
    np.testing.assert_array_equal(one.weight_, other.weight_)
    np.testing.assert_array_equal(one.bias_, other.bias_)
    for name, tensor in network_of(one).state.items():
        assert torch.equal(tensor, network_of(other).state[name]), name
    assert one.best_epoch_ == other.best_epoch_
    assert untimed(one.history_) == untimed(other.history_)


@pytest.mark.parametrize("after", [1, 3])
def test_a_resumed_training_is_the_uninterrupted_one_wherever_its_folder_lies_now(
    after: int, train_toys: Toys, tmp_path: Path
) -> None:
    whole = fine_tune(LIVELY).fit(*train_toys)
    with pytest.raises(PowerCutError):
        fine_tune(LIVELY, checkpoint=tmp_path / "run", on_epoch=cut_after(after)).fit(*train_toys)
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    seen: list[int] = []
    resumed = fine_tune(
        LIVELY, checkpoint=moved, resume=True, on_epoch=lambda row: seen.append(row["epoch"])
    ).fit(*train_toys)
    assert seen == list(range(after + 1, 5))
    same_model(resumed, whole)
    assert sorted(path.name for path in moved.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_the_best_epoch_is_kept_when_it_came_before_the_power_cut_and_the_folder_was_moved(
    train_toys: Toys, tmp_path: Path
) -> None:
    recipe = replace(SWINGING, class_weights="balanced")
    whole = scratch(recipe).fit(*train_toys)
    assert whole.best_epoch_ < 6
    cut = cut_after(whole.best_epoch_)
    with pytest.raises(PowerCutError):
        scratch(recipe, checkpoint=tmp_path / "run", on_epoch=cut).fit(*train_toys)
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    same_model(scratch(recipe, checkpoint=moved, resume=True).fit(*train_toys), whole)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_a_training_goes_on_for_longer_than_it_was_meant_to(
    schedule: Any, train_toys: Toys, tmp_path: Path
) -> None:
    short, long = (replace(PLAIN, epochs=epochs, schedule=schedule) for epochs in (2, 4))
    scratch(short, checkpoint=tmp_path).fit(*train_toys)
    resumed = scratch(long, checkpoint=tmp_path, resume=True).fit(*train_toys)
    assert len(resumed.history_) == 4
    whole = scratch(long).fit(*train_toys)
    assert len({row["lr"] for row in whole.history_}) == 4
    assert [row["lr"] for row in resumed.history_[2:]] == [row["lr"] for row in whole.history_[2:]]


def test_a_training_that_had_ended_goes_on_only_with_more_patience(train_toys: Toys, tmp_path: Path) -> None:
    recipe = replace(SWINGING, epochs=40, patience=1)
    ended = scratch(recipe, checkpoint=tmp_path).fit(*train_toys)
    assert len(ended.history_) < 40
    same_model(scratch(recipe, checkpoint=tmp_path, resume=True).fit(*train_toys), ended)
    patient = replace(recipe, patience=2)
    more = scratch(patient, checkpoint=tmp_path, resume=True).fit(*train_toys)
    same_model(more, scratch(patient).fit(*train_toys))


def test_a_checkpoint_of_another_training_is_refused(
    photos: ImageSet, trained: Scratch, tmp_path: Path
) -> None:
    for changed in (
        scratch(checkpoint=trained.checkpoint, resume=True, batch_norm=False),
        scratch(replace(PLAIN, epochs=2), checkpoint=trained.checkpoint, resume=True),
    ):
        with pytest.raises(ModelFileError, match="cannot be resumed from"):
            changed.fit(photos)
    (tmp_path / "last.ckpt").write_bytes(b"torn")
    with pytest.raises(ModelFileError, match="cannot be resumed from"):
        scratch(checkpoint=tmp_path, resume=True).fit(photos)


def test_a_checkpoint_without_its_rows_or_its_best_weights_is_refused(
    photos: ImageSet, trained: Scratch, tmp_path: Path
) -> None:
    last = Path(str(trained.checkpoint)) / "last.ckpt"
    (tmp_path / "last.ckpt").write_bytes(last.read_bytes())
    with pytest.raises(ModelFileError, match="the weights of its best epoch, is missing"):
        scratch(checkpoint=tmp_path, resume=True).fit(photos)
    state = torch.load(last, weights_only=True)
    del state["callbacks"]["History"]
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(ModelFileError, match="no rows"):
        scratch(checkpoint=tmp_path, resume=True).fit(photos)


def test_the_epoch_that_was_best_on_validation_photos_is_kept(train_toys: Toys) -> None:
    model = scratch(SWINGING).fit(*train_toys)
    ranks = [(row["val_accuracy"], -row["val_loss"]) for row in model.history_]
    assert model.best_epoch_ == ranks.index(max(ranks)) + 1
    assert model.best_epoch_ < 6
    validation = model._split(open_images(train_toys)).validation
    assert model.score(validation) == pytest.approx(model.val_accuracy_)
    answers = np.log(model.evaluate(validation).probabilities)[np.arange(len(validation)), validation.labels]
    assert -answers.mean() == pytest.approx(model.history_[model.best_epoch_ - 1]["val_loss"], rel=1e-2)


def test_between_epochs_of_one_accuracy_the_smaller_loss_is_better(train_toys: Toys) -> None:
    model = scratch(replace(SWINGING, lr=0.05)).fit(*train_toys)
    rows = [row for row in model.history_ if row["val_accuracy"] == model.val_accuracy_]
    losses = {row["epoch"]: row["val_loss"] for row in rows}
    assert model.best_epoch_ > min(losses), "the first of them is not the best"
    assert model.best_epoch_ == min(losses, key=lambda epoch: losses[epoch])


def test_patience_ends_training_and_seconds_to_99_percent_lie_within(train_toys: Toys) -> None:
    model = scratch(replace(SWINGING, epochs=40, patience=2)).fit(*train_toys)
    assert len(model.history_) == model.best_epoch_ + 2 < 40
    assert 0 < model.seconds_["to_99"] <= model.seconds_["features"] + model.seconds_["fit"]


def test_ctrl_c_keeps_the_best_so_far(train_toys: Toys) -> None:
    def interrupt(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    long = replace(PLAIN, epochs=500, schedule="constant")
    model = scratch(long, on_epoch=interrupt).fit(*train_toys)
    assert model.interrupted_
    assert len(model.history_) == 2
    two = scratch(replace(long, epochs=2)).fit(*train_toys)
    np.testing.assert_array_equal(model.weight_, two.weight_)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_before_the_first_epoch_is_over_or_twice_leaves_nothing(
    times: int, train_toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def interrupt(_self: TrainableNetwork, batch: Samples) -> torch.Tensor:
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        seen.append(len(batch))
        return batch.inputs

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(TrainableNetwork, "view", interrupt)
    model = scratch()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*train_toys)
    assert len(seen) == 2 - times, "the first ends with its batch, the second at once"
    assert not hasattr(model, "history_")
    assert signal.getsignal(signal.SIGINT) is handler


def test_training_in_another_thread_works_without_signals(train_toys: Toys) -> None:
    model, here = scratch(BRIEF), scratch(BRIEF).fit(*train_toys)
    thread = threading.Thread(target=model.fit, args=train_toys)
    thread.start()
    thread.join()
    same_model(model, here)


def test_test_photos_are_watched_and_choose_nothing(photos: ImageSet, trained: Scratch) -> None:
    blind = scratch().fit(photos)
    np.testing.assert_array_equal(trained.weight_, blind.weight_)
    last = scratch(replace(PLAIN, epochs=trained.best_epoch_, schedule="constant"), watch_test=True)
    last.fit(photos)
    row = last.history_[last.best_epoch_ - 1]
    assert row["test_accuracy"] == pytest.approx(last.score(photos))
    tested = last.evaluate(photos)
    answers = np.log(tested.probabilities)[np.arange(len(tested.labels)), tested.labels]
    assert row["test_loss"] == pytest.approx(-answers.mean(), rel=1e-2)
    assert all(row["test_accuracy"] is None and row["test_loss"] is None for row in blind.history_)
    assert trained.watched_seconds_ > 0 == blind.watched_seconds_


def test_a_rate_is_found_on_validation_photos(train_toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightprobe.backprop.on_features.TRIED_EPOCHS", 3)
    recipe = replace(PLAIN, epochs=3)
    found = linear_probe(replace(recipe, lr="auto", epochs=1)).fit(*train_toys)
    ranks = {}
    for lr in (0.01, 0.03, 0.1, 0.3, 1.0):
        rows = linear_probe(replace(recipe, lr=lr)).fit(*train_toys).history_
        ranks[lr] = max((row["val_accuracy"], -row["val_loss"]) for row in rows)
    assert found.lr_ == max(ranks, key=lambda lr: ranks[lr])
    assert found.seconds_["search"] > 0


def test_progress_goes_to_stderr_alone(train_toys: Toys, capfd: pytest.CaptureFixture[str]) -> None:
    scratch(replace(PLAIN, epochs=2), verbose=True).fit(*train_toys)
    shown = capfd.readouterr()
    assert not shown.out
    assert "Epoch 1/2" in shown.err
    assert "Epoch 2/2" in shown.err
    assert "val_accuracy" in shown.err
    scratch(BRIEF).fit(*train_toys)
    assert capfd.readouterr() == ("", "")


def test_class_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    weights = _class_weights("balanced", labels, 3)
    assert weights is not None
    assert weights.tolist() == pytest.approx(expected.tolist())
    assert _class_weights("none", labels, 3) is None


def test_seconds_to_99_percent_end_at_the_first_epoch_that_is_near_the_best() -> None:
    rows = [{"val_accuracy": a, "seconds": s} for a, s in ((0.5, 1.0), (0.895, 2.0), (0.88, 3.0), (0.9, 4.0))]
    assert seconds_to(rows, 0.99, before=10.0) == 12.0
