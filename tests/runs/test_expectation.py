"""What is to be expected: leave-one-out, unless test photos contradict it; and guesses of series."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.toys import CLASSES, toy_image

from lightprobe import ImageClassifier
from lightprobe.images import open_images
from lightprobe.runs import Answer, train
from lightprobe.runs.expectation import expectation, weakest
from lightprobe.runs.metrics import wilson_interval

BASE = {"n_groups": None, "n_train": 1000, "val_accuracy": None, "n_validation": None}


@pytest.mark.parametrize(
    ("loo", "right", "by", "parted"),
    [
        (0.973, 748, "test photos", True),
        (0.90, 890, "leave-one-out", False),
        (0.90, 960, "test photos", True),
        (0.90, None, "leave-one-out", False),
    ],
)
def test_test_photos_are_believed_where_both_intervals_part(
    loo: float, right: int | None, by: str, parted: bool
) -> None:
    test: dict[str, Any] = {"test_accuracy": None, "test_accuracy_ci95": None, "n_test": 0}
    if right is not None:
        ends = list(wilson_interval(right, 1000))
        test = {"test_accuracy": right / 1000, "test_accuracy_ci95": ends, "n_test": 1000}
    said = expectation({**BASE, **test, "loo_accuracy": loo})
    assert (said["by"], said["parted"]) == (by, parted)
    assert said["accuracy"] == (loo if by == "leave-one-out" else (right or 0) / 1000)
    assert said["ci95"][0] < said["accuracy"] < said["ci95"][1]


def test_without_leave_one_out_test_photos_stand_and_without_these_validation() -> None:
    row = {**BASE, "loo_accuracy": None, "val_accuracy": 0.8, "n_validation": 50, "test_accuracy": None}
    assert expectation(row)["by"] == "validation photos"
    ends = list(wilson_interval(85, 100))
    tested = {**row, "test_accuracy": 0.85, "test_accuracy_ci95": ends, "n_test": 100}
    assert (expectation(tested)["by"], expectation(tested)["parted"]) == ("test photos", False)


def test_the_weakest_classes_and_the_commonest_confusion_are_named() -> None:
    def answer(label: str, said: str, split: str = "left-out") -> Answer:
        return Answer(split, "p", label, said, 0.9, "x", 0.1, 0.5)

    answers = [answer("a", "a")] * 9 + [answer("a", "b")] + [answer("b", "b")] * 2 + [answer("b", "c")] * 2
    assert weakest([*answers, answer("c", "a", "test")], {"by": "leave-one-out"}) == {
        "classes": [{"class": "b", "found": 0.5}, {"class": "a", "found": 0.9}],
        "confusion": {"class": "b", "called": "c", "n": 2},
        "split": "left-out",
    }
    assert weakest([answer("a", "a")], {"by": "leave-one-out"}) is None


def series(parent: Path, test: bool) -> Path:
    """Draw photos in series of ten that are nearly the same picture, of classes that look alike otherwise."""
    rng = np.random.default_rng(3)
    for label in ("cup", "mug"):
        folder = parent / ("train" if test else "") / label
        folder.mkdir(parents=True)
        for start in range(6):
            scene = rng.integers(0, 256, (6, 6, 3)).repeat(4, axis=0).repeat(4, axis=1)
            for number in range(10):
                scene = np.clip(scene + rng.integers(-8, 9, scene.shape), 0, 255)
                Image.fromarray(scene.astype(np.uint8)).save(folder / f"{label}_{start}{number}.png")
        for number in range(20 if test else 0):
            scene = rng.integers(0, 256, (6, 6, 3)).repeat(4, axis=0).repeat(4, axis=1).astype(np.uint8)
            (parent / "test" / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(scene).save(parent / "test" / label / f"{number}.png")
    return parent


@pytest.mark.parametrize("test", [True, False])
def test_photos_in_series_are_seen_and_a_group_is_offered(test: bool, tmp_path: Path) -> None:
    images = open_images(series(tmp_path / "photos", test))
    fixed: dict[str, Any] = {"pool": "avg", "encode": "l2", "kernel": "linear", "alpha": 0.01}
    model = ImageClassifier(precision="fp32", device="cpu", **fixed)
    row = train(images, model, tmp_path / "run")
    assert row["loo_accuracy"] > 0.9
    guess = row["group_guess"]
    assert guess["pattern"] == r"(.*)\d\D*\.\w+$"
    assert guess["n_groups"] == 12
    told = ImageClassifier(precision="fp32", device="cpu", group=guess["pattern"], **fixed)
    assert guess["accuracy"] == told.fit(tmp_path / "photos").loo_accuracy_
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    if test:
        assert (row["expected"]["by"], row["expected"]["parted"]) == ("test photos", True)
        assert f"| expected accuracy | {row['test_accuracy']:.1%} " in card
        assert "accuracy (test)" in card
    else:
        assert (row["expected"]["by"], row["expected"]["parted"]) == ("leave-one-out", False)
        assert guess["accuracy"] < row["loo_accuracy"] - 0.2
        assert f"| expected accuracy | {row['loo_accuracy']:.1%}" in card


def test_numbered_photos_that_are_no_series_get_no_guess(tmp_path: Path) -> None:
    photos = np.stack([toy_image(kind, seed) for kind in CLASSES for seed in range(12)])
    for place, pixels in enumerate(photos):
        folder = tmp_path / "photos" / CLASSES[place // 12]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"IMG_{place:04}.png")
    row = train(
        open_images(tmp_path / "photos"), ImageClassifier(precision="fp32", device="cpu"), tmp_path / "run"
    )
    assert row["group_guess"] is None
