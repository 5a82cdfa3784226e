"""What a newcomer types first: no verb, a misspelled one, no --out."""

import json
import os
from pathlib import Path

import psutil
import pytest
from tests.toys import draw_toys

from lightprobe.cli import VERBS, main
from lightprobe.runs import next_run_folder

TOY = ("-q", "--precision", "fp32", "--device", "cpu")
WORDS = ["train", "photos"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with nothing in it."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("words", [[], ["help"], ["--help"]])
def test_lightprobe_alone_prints_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    out, err = capsys.readouterr()
    assert (stop.value.code, err) == (0, "")
    assert all(f"    {verb}" in out for verb in VERBS)


def test_help_of_a_verb_is_what_its_option_prints(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for words in (["help", "train"], ["train", "--help"]):
        with pytest.raises(SystemExit):
            main(words)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert texts[0].startswith("usage: lightprobe train DATA [--out RUN] [options]\n")


@pytest.mark.parametrize("columns", [None, 80, 140])
def test_help_is_as_wide_as_the_terminal_and_at_most_80_without_one(
    columns: int | None,
    own_cache: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((columns, 24)))
    widest = 0
    for words in ([], *([verb] for verb in VERBS), ["train", "--help-gradients"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        lines = [line for line in capsys.readouterr().out.splitlines() if str(own_cache) not in line]
        widest = max(widest, *map(len, lines))
        assert widest <= (columns or 80), max(lines, key=len)
    assert widest > (columns or 80) - 15, "the width is used"


def test_without_out_runs_are_numbered_and_the_folder_is_said_on_stderr(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = draw_toys(here.parent, 4, 2)
    for number in (1, 2):
        assert main(["train", str(photos), *TOY[1:]]) == 0
        out, err = capsys.readouterr()
        assert f"Writing to run-{number} (--out names another folder)." in err
        assert f"run-{number}" in out
        assert (here / f"run-{number}" / "model" / "config.json").is_file()
        assert not (here / f"run-{number}" / "unfinished.json").exists()
    assert main(["check", str(photos), *TOY]) in (0, 1)
    assert (here / "check-1" / "check.csv").is_file()
    assert capsys.readouterr().err == "", "-q says nothing"


def test_the_newest_unfinished_run_of_the_same_command_is_gone_on_with(here: Path) -> None:
    folders = [next_run_folder(words, "photos") for words in (WORDS, WORDS, [*WORDS, "--pool", "avg"])]
    assert [folder.path.name for folder in folders] == ["run-1", "run-2", "run-3"], "they are all at work"
    for folder in folders:
        _stop(folder.path)
    resumed = next_run_folder([*WORDS, "-q", "--json"], "photos")
    assert (resumed.path.name, resumed.is_resumed) == ("run-2", True)
    resumed.finish()
    _stop(folders[0].path)
    assert next_run_folder(WORDS, "photos").path.name == "run-1"
    again = next_run_folder([*WORDS, "--seed", "1"], "photos")
    assert (again.path.name, again.is_resumed) == ("run-4", False)


def test_what_is_no_run_of_ours_keeps_its_number(here: Path) -> None:
    (here / "run-7").mkdir()
    (here / "run-2").write_text("a file")
    assert next_run_folder(WORDS, "photos").path == Path("run-8")


def test_a_training_goes_on_where_it_was_stopped(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = draw_toys(here.parent, 4, 0)
    (photos / "train" / "disc").rename(photos / "gone")
    (photos / "train" / "noise").rename(photos / "gone" / "noise")
    assert main(["train", str(photos / "train"), *TOY]) == 2, "one class is no classifier"
    (photos / "gone" / "noise").rename(photos / "train" / "noise")
    _stop(here / "run-1")
    assert main(["train", str(photos / "train"), *TOY[1:]]) == 0
    assert "Going on in run-1, where the same command was stopped" in capsys.readouterr().err
    assert [folder.name for folder in here.iterdir()] == ["run-1"]


@pytest.mark.parametrize("inside", [".", "disc"])
def test_a_run_never_lies_in_the_photos(inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = draw_toys(tmp_path, 4, 0) / "train"
    before = sorted(photos.rglob("*"))
    monkeypatch.chdir(photos / inside)
    assert main(["train", str(photos) if inside == "disc" else ".", *TOY]) == 0
    assert sorted(photos.rglob("*")) == before
    assert (photos.parent / "run-1" / "report.html").is_file()


def test_what_the_data_was_read_as_is_said_first_on_stderr(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = draw_toys(here.parent, 4, 2)
    (photos / "train" / "cat").mkdir()
    (photos / "notes.txt").write_text("seen")
    said = [
        f"{photos}: 18 photos, 3 classes: disc 6, noise 6, stripes 6",
        "  splits: train 12, test 6",
        "  left out: no photo (notes.txt), a folder without images (train/cat)",
    ]
    assert main(["train", str(photos), "--out", "run", *TOY[1:]]) == 0
    opening = {
        "check": [str(photos), "--out", "checked"],
        "evaluate": ["run", str(photos)],
        "extract": [str(photos), "--out", "a.npz"],
        "look": [str(photos), "--out", "a.png"],
        "study": ["size", str(photos), "--out", "study", "--draws", "1"],
    }
    assert capsys.readouterr().err.splitlines()[:3] == said
    for verb, words in opening.items():
        assert main([verb, *words]) in (0, 1)
        assert capsys.readouterr().err.splitlines()[:3] == said, verb
    more = draw_toys(here, 1, 0) / "train"
    assert main(["update", "run", "--add", str(more)]) == 0
    assert capsys.readouterr().err.startswith(f"{more}: 3 photos, 3 classes: disc 1, noise 1, stripes 1\n")


def test_past_ten_classes_names_are_shortened(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        (here / "photos" / f"class {number}").mkdir(parents=True)
        (here / "photos" / f"class {number}" / "1.jpg").write_bytes(b"")
    assert main(["look", "photos", "--out", "a.png"]) == 0
    err = capsys.readouterr().err
    assert err.startswith("photos: 12 photos, 12 classes: class 0 1, class 1 1, ")
    assert "class 9 1 and 2 more\n" in err


def _stop(folder: Path) -> None:
    """Make it look as if the process that wrote there were gone."""
    told = json.loads((folder / "unfinished.json").read_text(encoding="utf-8"))
    assert told["process"] == psutil.Process().pid
    told["process"] = psutil.Process().pid
    told["begun"] -= 1000
    (folder / "unfinished.json").write_text(json.dumps(told), encoding="utf-8")
