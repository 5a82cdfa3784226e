from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.toys import toy_image

from lightprobe import ImageClassifier
from lightprobe.backbones import DEFAULT
from lightprobe.backprop import LinearProbe, Recipe
from lightprobe.classifier import Settings
from lightprobe.errors import OptionError
from lightprobe.images import ImageSet, open_images
from lightprobe.report import study_sections, write_report
from lightprobe.runs.rows import read_rows
from lightprobe.runtime import Runtime
from lightprobe.studies import STUDIES, Options, Study, projection, run_study, sensitivity, size
from lightprobe.studies.context import Row, StudyContext

ROW_KEYS = {
    "study", "configuration", "method", "backbone", "cut", "image_size", "precision", "engine",
    "pool", "encode", "kernel", "components", "alpha", "alpha_relative", "n_train", "n_test", "n_classes",
    "n_skipped",
    "loo_accuracy", "test_accuracy", "test_accuracy_ci95", "peak_rss_mb", "seed", "version", "model",
    "seconds", "cached",
}  # fmt: skip


@pytest.fixture
def images() -> ImageSet:
    kinds = [kind for kind in ("disc", "noise") for _ in range(16)]
    pixels = np.stack([toy_image(kind, seed) for seed, kind in enumerate(kinds)])
    splits = np.array((["train"] * 12 + ["test"] * 4) * 2)
    opened = open_images((pixels, kinds))
    return ImageSet(**{**opened.__dict__, "splits": splits})


def told(**changes: Any) -> tuple[Settings, Runtime]:
    options: dict[str, Any] = {
        "image_size": 32, "cut": "block2", "precision": "fp32", "device": "cpu",
    }  # fmt: skip
    classifier = ImageClassifier(**(options | changes))
    return classifier.settings, classifier.runtime


@pytest.mark.parametrize("name", list(STUDIES))
def test_every_study_gives_whole_rows_and_a_page_made_of_them(
    name: str, images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "MULTIPLES", (1, 4))
    monkeypatch.setattr(sensitivity, "IMAGE_SIZES", (1, 2))
    monkeypatch.setattr("lightprobe.studies.precision.PRECISIONS", ("fp32", "int8"))
    options = Options(draws=2, networks=((DEFAULT, None), (DEFAULT, None)))
    rows = run_study(name, STUDIES[name], images, *told(), tmp_path, options, "lightprobe study …")
    usable = [row for row in rows if "dropped" not in row]
    assert usable
    for row in usable:
        assert row.keys() >= ROW_KEYS
        assert row["seconds"]["total"] == pytest.approx(
            sum(value for stage, value in row["seconds"].items() if stage != "total")
        )
    assert rows == read_rows(tmp_path)
    if name == "backbones":
        pair = next(row for row in rows if "against" in row)
        assert (pair["loo_gain"], pair["test_gain"]) == (0, 0), (
            "the same network twice is no better than once"
        )
    (section,) = study_sections(rows)
    assert section.sentences
    assert section.figures
    assert all(len(cells) == len(table.columns) for table in section.tables for cells in table.rows)
    assert "<svg" in write_report(tmp_path).read_text(encoding="utf-8")


def counting(measured: list[Any], fails_at: int | None = None) -> Study:
    def measure(bench: StudyContext, configuration: Any) -> Row:
        if len(measured) == fails_at:
            raise KeyboardInterrupt
        measured.append(configuration["value"])
        return {"method": "optical"}

    return Study("", lambda bench, options: [{"value": value} for value in range(4)], measure)


def test_a_study_that_was_stopped_goes_on_and_runs_nothing_twice(images: ImageSet, tmp_path: Path) -> None:
    measured: list[Any] = []
    arguments = (images, *told(), tmp_path, Options())
    with pytest.raises(KeyboardInterrupt):
        run_study("toy", counting(measured, fails_at=2), *arguments)
    rows = run_study("toy", counting(measured), *arguments)
    assert measured == [0, 1, 2, 3]
    assert [row["configuration"]["value"] for row in rows] == [0, 1, 2, 3]
    assert run_study("toy", counting(measured), *arguments) == rows
    assert len(measured) == 4


def test_other_photos_or_other_settings_are_another_study(images: ImageSet, tmp_path: Path) -> None:
    measured: list[Any] = []
    run_study("toy", counting(measured), images, *told(), tmp_path, Options())
    run_study("toy", counting(measured), images, *told(batch_size=8), tmp_path, Options())
    run_study("toy", counting(measured), images.select(np.arange(31)), *told(), tmp_path, Options())
    assert len(measured) == 12
    # What only says how to run changes nothing.
    run_study("toy", counting(measured), images, *told(workers=1, verbose=False), tmp_path, Options())
    assert len(measured) == 12


def test_one_look_at_the_photos_serves_all_layers(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    whole = ImageSet.read

    def read(self: ImageSet, index: int) -> Any:
        looks.append(index)
        return whole(self, index)

    monkeypatch.setattr(ImageSet, "read", read)
    run_study("layers", STUDIES["layers"], images, *told(), tmp_path, Options())
    # Once for the digest, once for the features.
    assert len(looks) == 2 * len(images)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["layers", "size"])
def test_methods_by_gradients_stand_beside_the_closed_form_on_the_same_photos(
    name: str, images: ImageSet, tmp_path: Path
) -> None:
    learner = LinearProbe(
        image_size=32, cut="block2", precision="fp32", device="cpu",
        recipe=Recipe(epochs=3, lr=0.1, batch_size=8),
    )  # fmt: skip
    options = Options(draws=1, learners={"linear-probe": learner})
    arguments = (name, STUDIES[name], images, *told(), tmp_path, options)
    rows = run_study(*arguments)
    learned = [row for row in rows if row["method"] == "linear-probe"]
    by_place = {str(row["configuration"].get("share", row["cut"])): row for row in rows[: -len(learned)]}
    for row in learned:
        beside = by_place[str(row["configuration"].get("share", row["cut"]))]
        assert row["n_train"] + row["n_validation"] == beside["n_train"]
        assert row["n_test"] == 8
    run_study(*arguments)
    assert len(read_rows(tmp_path)) == len(rows), "nothing is trained twice"
    options.learners["linear-probe"].set_params(recipe=Recipe(epochs=2, lr=0.1, batch_size=8))
    again = run_study(*arguments)
    assert {row["epochs"] for row in again if row["method"] == "linear-probe"} == {2}
    (section,) = study_sections(rows)
    assert any("linear-probe takes" in sentence for sentence in section.sentences)


def test_methods_are_compared_on_test_photos_only(images: ImageSet, tmp_path: Path) -> None:
    options = Options(learners={"linear-probe": LinearProbe()})
    with pytest.raises(OptionError, match="--test-fraction"):
        run_study("size", STUDIES["size"], images.training, *told(), tmp_path, options)


class _Look:
    def __init__(self, labels: list[int], groups: list[str] | None = None) -> None:
        self.labels = np.array(labels)
        self.groups = None if groups is None else np.array(groups)


def test_smaller_subsets_lie_inside_larger_ones_and_every_class_has_its_share() -> None:
    look: Any = _Look([0] * 40 + [1] * 20)
    subsets = [set(size.nested_subset(look, share, [0, 1]).tolist()) for share in (0.1, 0.25, 0.5, 1)]
    for small, large in pairwise(subsets):
        assert small < large
    assert [sum(row < 40 for row in subset) for subset in subsets] == [4, 10, 20, 40]
    assert [len(subset) for subset in subsets] == [6, 15, 30, 60]
    assert subsets[1] != set(size.nested_subset(look, 0.25, [0, 2]).tolist())


def test_groups_are_drawn_whole_and_views_are_counted_of_each() -> None:
    groups = [f"thing {i // 5}" for i in range(50)]
    look: Any = _Look([0] * 25 + [1] * 25, groups)
    half = size.nested_subset(look, 0.4, [0, 0])
    assert len(half) == 20
    assert set(np.unique(np.array(groups)[half], return_counts=True)[1]) == {5}
    two, three = (size.views_of_each(look, n, [0, 0]) for n in (2, 3))
    assert set(two.tolist()) < set(three.tolist())
    assert np.unique(np.array(groups)[two], return_counts=True)[1].tolist() == [2] * 10


def test_a_study_of_size_with_groups_counts_views_of_each_thing(images: ImageSet, tmp_path: Path) -> None:
    groups = np.array([f"{label}{i // 3}" for i, label in enumerate(images.labels)])
    grouped = ImageSet(**{**images.__dict__, "groups": groups})
    rows = run_study("size", STUDIES["size"], grouped, *told(), tmp_path, Options(draws=1))
    views = {row["configuration"]["views"]: row for row in rows if "views" in row["configuration"]}
    assert sorted(views) == [1, 2, 3]
    assert views[3]["n_train"] == 24
    assert views[1]["n_groups"] == views[1]["n_train"]
    (section,) = study_sections(rows)
    assert any("photos of each thing" in sentence for sentence in section.sentences)


def test_a_study_of_backbones_without_names_says_what_to_give(images: ImageSet, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--networks"):
        run_study("backbones", STUDIES["backbones"], images, *told(), tmp_path, Options())
