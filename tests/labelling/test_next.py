import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from tests.toys import CLASSES, draw_toys, toy_image

from lightprobe import ImageClassifier, load
from lightprobe.cli import main
from lightprobe.errors import DataError, OptionError
from lightprobe.labelling import PhotoToLabel, write_next

TOY = ("--precision", "fp32", "--device", "cpu")

pytestmark = pytest.mark.usefixtures("module_cache")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, toy_networks: Path) -> Path:
    """A model of four photos a class, that tests ask and do not change."""
    folder = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightprobe.backbones.zoo.PACKAGED_FILES", toy_networks)
        patch.setenv("LIGHTPROBE_CACHE", str(folder / "cache"))
        clf = ImageClassifier(precision="fp32", device="cpu", encode="l2", kernel="optical")
        clf.fit(draw_toys(folder, 4, 0)).save(folder / "model")
    return folder / "model"


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    """Ten photos of each class, mixtures of two, and a file that is none."""
    folder = tmp_path / "new"
    folder.mkdir()
    for kind in CLASSES:
        for seed in range(200, 210):
            Image.fromarray(toy_image(kind, seed)).save(folder / f"{kind}{seed}.png")
    for seed in range(5):
        both = toy_image("disc", 300 + seed) // 2 + toy_image("stripes", 300 + seed) // 2
        Image.fromarray(both).save(folder / f"both{seed}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not a photo")
    return folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_model_names_its_least_sure_photos_with_the_figures(model: Path, unlabelled: Path) -> None:
    clf = load(model)
    chosen = clf.next(unlabelled, 6)
    answers = {one.path: one for one in clf.iter_predictions(unlabelled, top=3) if not one.error}
    margin = {path: one.probabilities[0] - one.probabilities[1] for path, one in answers.items()}
    assert len(chosen.photos) == 6
    for photo in chosen.photos:
        answer = answers[photo.path]
        assert (photo.guess, photo.guess_2) == answer.labels[:2]
        assert [photo.probability, photo.probability_2] == pytest.approx(answer.probabilities[:2], rel=1e-6)
        assert photo.margin == pytest.approx(margin[photo.path], abs=1e-6)
        assert photo.novelty == answer.novelty
    margins = [photo.margin for photo in chosen.photos if photo.margin is not None]
    assert margins == sorted(margins)
    assert margins[0] == pytest.approx(min(margin.values()))
    assert [Path(one.path).name for one in chosen.skipped] == ["broken.png"]
    assert chosen.n_unlabelled == 35


def test_copies_are_asked_for_once_and_what_the_model_knows_not_at_all(model: Path, unlabelled: Path) -> None:
    before = load(model).next(unlabelled, 3)
    first = Path(before.photos[0].path)
    shutil.copy(first, unlabelled / "copy.png")
    known = model.parent / "toys" / "train" / "disc" / "disc 0.png"
    shutil.copy(known, unlabelled / "known.png")
    after = load(model).next(unlabelled, 40)
    named = [Path(photo.path).name for photo in after.photos]
    assert after.n_known == 1
    assert "known.png" not in named
    assert len({"copy.png", first.name} & {*named}) == 1


def test_a_label_given_changes_what_comes_next(model: Path, unlabelled: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    clf = load(tmp_path / "model")
    assert isinstance(clf, ImageClassifier)
    first = clf.next(unlabelled, 1).photos[0].path
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\n{first},disc\n")
    clf.update(table)
    after = clf.next(unlabelled, 40)
    assert after.n_known == 1
    assert first not in [photo.path for photo in after.photos]


def test_nothing_left_to_label_is_said(model: Path) -> None:
    with pytest.raises(DataError, match="trained on all 12 photos"):
        load(model).next(model.parent / "toys")


@pytest.mark.parametrize("n", [0, -1])
def test_a_batch_of_none_is_refused(model: Path, unlabelled: Path, n: int) -> None:
    with pytest.raises(OptionError, match="must be 1 or more"):
        load(model).next(unlabelled, n)


def test_the_table_takes_labels_and_goes_back_into_training(
    model: Path, unlabelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "next.csv"
    command = [
        "next",
        str(unlabelled),
        "--model",
        str(model),
        "--n",
        "9",
        "--csv",
        str(table),
        "--device=cpu",
    ]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert f"left out: {unlabelled / 'broken.png'}" in err
    assert f"lightprobe update {model} --add {table}" in err
    rows = rows_of(table.read_text())
    assert list(rows[0])[:4] == ["path", "label", "guess", "probability"]
    assert {row["label"] for row in rows} == {""}
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": row["guess"]} for row in rows)
    filled = table.read_bytes()
    assert main(command) == 2, "labels would be lost"
    assert "9 labels" in capsys.readouterr().err
    assert table.read_bytes() == filled
    shutil.copytree(model, tmp_path / "model")
    assert main(["update", str(tmp_path / "model"), "--add", str(table), "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["n_added"] == len(rows)


def test_without_a_model_photos_are_spread_and_none_repeats(
    unlabelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["next", str(unlabelled), "--n", "8", "--json", "-q", *TOY]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert err == ""
    assert len({photo["path"] for photo in told["photos"]}) == 8
    assert sum(photo["stands_for"] for photo in told["photos"]) == told["n_unlabelled"] == 35
    assert told["photos"][0]["guess"] is None
    assert [Path(one["path"]).name for one in told["skipped"]] == ["broken.png"]


def test_what_was_looked_at_is_not_looked_at_again(
    unlabelled: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    command = ["next", str(unlabelled), "--n", "5", "-q", *TOY]
    assert main(command) == 0
    table = capsysbinary.readouterr().out

    def blind(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a photo was looked at again")

    monkeypatch.setattr("lightprobe.backbones.engines.openvino.OpenVinoRunner.__call__", blind)
    assert main(command) == 0
    out, err = capsysbinary.readouterr()
    assert out == table
    (said,) = err.decode().splitlines()
    assert said.startswith(f"left out: {unlabelled / 'broken.png'} ")


def test_options_that_a_model_settles_are_refused_by_name(
    model: Path, unlabelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["next", str(unlabelled), "--model", str(model)]
    for option in ("--backbone=resnet18", "--cut=block2", "--looks=squash", "--precision=fp32"):
        assert main([*start, option]) == 2
        assert f"{option.partition('=')[0]} is settled by the model" in capsys.readouterr().err


def test_a_table_that_is_no_table_of_labels_is_written_over(tmp_path: Path) -> None:
    table = tmp_path / "next.csv"
    for name in ("a.jpg", "b.jpg"):
        write_next(table, [PhotoToLabel(name)])
    assert [row["path"] for row in rows_of(table.read_text())] == ["b.jpg"]
