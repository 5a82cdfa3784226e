import csv
import json
from pathlib import Path

import numpy as np
import psutil
import pytest

from lightprobe import ImageClassifier, load
from lightprobe.errors import OptionError
from lightprobe.images import open_images
from lightprobe.runs.training_run import peak_rss_mb, train, with_test_split

ROW_KEYS = {
    *(
        "method",
        "backbone",
        "cut",
        "image_size",
        "precision",
        "engine",
        "pool",
        "encode",
        "kernel",
        "components",
    ),
    *(
        "alpha",
        "alpha_relative",
        "n_train",
        "n_test",
        "n_classes",
        "n_skipped",
        "loo_accuracy",
        "test_accuracy",
    ),
    *("test_accuracy_ci95", "peak_rss_mb", "model_bytes", "seed", "version", "model", "seconds", "cached"),
}
STAGES = {"features", "generate", "encode", "project", "fit", "predict", "total"}


def toy_classifier() -> ImageClassifier:
    return ImageClassifier(precision="fp32", device="cpu", random_state=3)


def test_a_run_leaves_a_model_a_row_a_log_and_the_list_of_skipped_files(
    toy_folder: Path, tmp_path: Path
) -> None:
    (toy_folder / "train" / "disc" / "disc 1.png").write_bytes(b"")
    (toy_folder / "test" / "noise" / "noise 101.png").write_bytes(b"")
    out = tmp_path / "runs" / "first"
    row = train(open_images(toy_folder), toy_classifier(), out)
    assert row.keys() >= ROW_KEYS
    assert row["seconds"].keys() == STAGES
    assert row["seconds"]["total"] == pytest.approx(sum(v for k, v in row["seconds"].items() if k != "total"))
    assert (row["n_train"], row["n_test"], row["n_classes"], row["n_skipped"]) == (35, 11, 3, 2)
    assert row["test_accuracy_ci95"][0] <= row["test_accuracy"] <= row["test_accuracy_ci95"][1]
    assert json.loads((out / "rows.jsonl").read_text(encoding="utf-8")) == json.loads(json.dumps(row))
    with (out / "skipped.csv").open(encoding="utf-8", newline="") as file:
        skipped = list(csv.DictReader(file))
    assert [s["path"] for s in skipped] == ["train/disc/disc 1.png", "test/noise/noise 101.png"]
    assert "leave-one-out" in (out / "log.txt").read_text(encoding="utf-8")
    assert load(row["model"]).score(open_images(toy_folder)) == row["test_accuracy"]


def test_a_second_run_counts_cached_features_at_what_they_cost(toy_folder: Path, tmp_path: Path) -> None:
    first, second = (train(open_images(toy_folder), toy_classifier(), tmp_path / "run") for _ in range(2))
    assert (first["cached"], second["cached"]) == ([], ["features"])
    assert second["seconds"]["features"] == pytest.approx(first["seconds"]["features"])
    assert len((tmp_path / "run" / "rows.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_without_test_photos_there_is_no_test_accuracy(toy_folder: Path, tmp_path: Path) -> None:
    row = train(open_images(toy_folder / "train"), toy_classifier(), tmp_path / "run")
    assert row["test_accuracy"] is None
    assert row["test_accuracy_ci95"] is None
    assert row["n_test"] == 0


def test_a_share_for_test_is_stratified_seeded_and_refused_where_there_is_one(toy_folder: Path) -> None:
    images = with_test_split(open_images(toy_folder / "train"), 0.25, 0)
    test = images.test
    assert test is not None
    assert np.bincount(test.labels).tolist() == [3, 3, 3]
    again = with_test_split(open_images(toy_folder / "train"), 0.25, 0).test
    assert again is not None
    assert again.paths == test.paths
    with pytest.raises(OptionError, match="test split of its own"):
        with_test_split(open_images(toy_folder), 0.25, 0)


def test_a_run_that_would_overwrite_a_file_is_refused(toy_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine", encoding="utf-8")
    with pytest.raises(OptionError, match="is a file"):
        train(open_images(toy_folder), toy_classifier(), tmp_path / "run")
    assert (tmp_path / "run").read_text(encoding="utf-8") == "mine"


def test_a_folder_with_other_things_in_it_is_left_alone(toy_folder: Path) -> None:
    before = sorted(toy_folder.rglob("*"))
    with pytest.raises(OptionError, match="holds other things"):
        train(open_images(toy_folder), toy_classifier(), toy_folder)
    assert sorted(toy_folder.rglob("*")) == before


def test_peak_memory_is_at_least_what_is_held_now() -> None:
    assert peak_rss_mb() >= psutil.Process().memory_info().rss / 1e6 * 0.99
