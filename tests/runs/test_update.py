import json
import threading
from pathlib import Path

import pytest
from PIL import Image
from tests.toys import toy_image

from lightprobe import load
from lightprobe.backprop import Recipe, Scratch
from lightprobe.cli import main
from lightprobe.csv_text import read_csv, write_csv
from lightprobe.errors import DataError, ModelFileError
from lightprobe.json_text import to_json
from lightprobe.runs.update import read_relabelling, scrub_run, update_saved

TOY = ("--precision", "fp32", "--device", "cpu", "-q")
FIXED = ("--pool", "avg", "--encode", "l2", "--kernel", "optical")


@pytest.fixture
def run(toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["train", str(toy_folder), "--out", str(tmp_path / "run"), *TOY, *FIXED]) == 0
    capsys.readouterr()
    return tmp_path / "run"


def test_the_command_adds_forgets_and_relabels_and_says_what_it_did(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more" / "disc").mkdir(parents=True)
    Image.fromarray(toy_image("disc", 90)).save(tmp_path / "more" / "disc" / "90.png")
    (tmp_path / "more" / "disc" / "91.png").write_bytes(b"broken")
    table = tmp_path / "right.csv"
    table.write_text("path,label,note\ntrain/noise/noise 1.png,static,new\n", encoding="utf-8")
    asked = ["--add", str(tmp_path / "more"), "--remove", "train/disc/disc 1.png", "--relabel", str(table)]
    assert main(["update", str(run / "model"), *asked, "--json", "-q"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["n_added"], row["n_removed"], row["n_relabelled"], row["n_train"]) == (1, 1, 1, 36)
    assert [s["path"] for s in row["skipped"]] == ["disc/91.png"]
    assert row["classes"] == ["disc", "noise", "static", "stripes"]
    assert load(run / "model").loo_accuracy_ == row["loo_accuracy"]
    assert load(run / "model").verbose is False
    assert main(["update", str(run / "model"), "--remove", "90.png", "-q"]) == 0
    assert "removed 1" in capsys.readouterr().out


def test_what_a_run_wrote_beside_its_model_forgets_the_photo_too(run: Path, own_cache: Path) -> None:
    name = "train/disc/disc 1.png"
    (run / "report.html").write_text("<img src=...>", encoding="utf-8")
    (run / "skipped.csv").write_text(f"path,reason\n{name},a reason\nother.png,another\n", encoding="utf-8")
    old = run / f".model.{'0' * 32}"
    old.mkdir()
    (old / "config.json").write_text(name, encoding="utf-8")
    row = update_saved(run / "model", remove=[name])
    assert row["scrubbed"] == ["report.html", "skipped.csv", "artifacts"]
    assert (run / "skipped.csv").read_text(encoding="utf-8") == "path,reason\nother.png,another\n"
    for root in (run, own_cache):
        assert not [p for p in root.rglob("*") if p.is_file() and b"disc 1.png" in p.read_bytes()]
    assert scrub_run(run / "model", [name]) == []


SIBLINGS = (
    *("1", "cat/1.jpg", "bobcat/1.jpg", "cat/1.jpg.jpg", "cat/11.jpg", "more/cat/1.jpg", 'a, "b" c.jpg', "b"),
    *("two\nlines.jpg", "lines.jpg", "caf\udce9.jpg", "a; b (+0.1000)", "2026"),
)


@pytest.mark.parametrize("name", SIBLINGS)
def test_names_are_forgotten_whole_wherever_they_stand(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    (run / "rows.jsonl").touch()
    write_csv(run / "skipped.csv", ("path", "reason"), [(one, f"1 of {one}, they say") for one in SIBLINGS])
    arguments = [f"0.jpg (+0.5000); {one} (-0.2500); 9.jpg (+0.1000)" for one in SIBLINGS]
    write_csv(run / "answers.csv", ("path", "for"), [("new.jpg", one) for one in arguments])
    lines = [f"2026-01-01 INFO 1 of {to_json(one)} is skipped\n" for one in SIBLINGS]
    (run / "log.txt").write_text("".join(lines), encoding="utf-8")
    others = [one for one in SIBLINGS if one != name]
    assert scrub_run(run / "model", [name]) == ["answers.csv", "log.txt", "skipped.csv"]
    assert [row["path"] for row in read_csv(run / "skipped.csv")] == others
    assert [
        row["for"].split("; ", 1)[1].rsplit(" (-", 1)[0] for row in read_csv(run / "answers.csv")
    ] == others
    assert (run / "log.txt").read_text(encoding="utf-8").splitlines() == [
        line.rstrip("\n") for one, line in zip(SIBLINGS, lines, strict=True) if one != name
    ]
    assert scrub_run(run / "model", [name, "cat"]) == []


def test_a_model_that_keeps_sums_says_that_its_figures_are_of_the_last_training(
    toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, photo = tmp_path / "run", toy_folder / "train" / "disc" / "disc 1.png"
    kept = ("--pool", "avg", "--encode", "l2", "--kernel", "linear", "--keep", "sums")
    assert main(["train", str(toy_folder), "--out", str(out), *TOY, *kept]) == 0
    assert "keeps sums" in (out / "model" / "README.md").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["update", str(out / "model"), "--remove", str(photo), "-q"]) == 0
    assert "of the last training: sums cannot bring it up to date" in capsys.readouterr().out
    assert not [p for p in out.rglob("*") if p.is_file() and b"disc 1.png" in p.read_bytes()]
    row = update_saved(out / "model", toy_folder)
    assert (row["n_added"], row["n_known"], row["n_train"], row["stale"]) == (1, 35, 36, True)


@pytest.mark.torch
def test_a_model_that_was_trained_by_gradients_cannot_be_updated(
    toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brief = Recipe(epochs=1, scale=(1.0, 1.0), flip=False)
    model = Scratch("cnn2", image_size=24, recipe=brief, device="cpu", precision="fp32", engine="eager")
    folder = model.fit(toy_folder).save(tmp_path / "model")
    assert main(["update", str(folder), "--add", str(toy_folder), "-q"]) == 2
    assert "was trained by gradients, and updating is for models in closed form" in capsys.readouterr().err


def test_a_crash_while_saving_leaves_the_old_model(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in (run / "model").iterdir()}

    def crash(*_: object) -> None:
        raise ModelFileError("the disk is full")

    monkeypatch.setattr("lightprobe.photo_model.disk.put_folder_in_place", crash)
    with pytest.raises(ModelFileError):
        update_saved(run / "model", remove=["train/disc/disc 1.png"])
    assert {path.name: path.read_bytes() for path in (run / "model").iterdir()} == before


def test_of_two_updates_at_once_neither_is_lost(run: Path) -> None:
    threads = [
        threading.Thread(target=update_saved, args=(run / "model",), kwargs={"remove": [name]})
        for name in ("train/disc/disc 1.png", "train/noise/noise 1.png", "train/stripes/stripes 1.png")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert load(run / "model").n_train_ == 33


def test_what_was_read_before_another_saved_is_not_saved_over_it(run: Path, tmp_path: Path) -> None:
    model = load(run / "model")
    update_saved(run / "model", remove=["train/disc/disc 1.png"])
    with pytest.raises(ModelFileError, match="somebody has changed it meanwhile"):
        model.save(run / "model")
    assert load(run / "model").n_train_ == 35
    model.save(tmp_path / "elsewhere")
    again = load(run / "model")
    again.save(run / "model")
    again.save(run / "model")  # what it has saved itself is its own


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("thing,label\na,b\n", "no column 'path'"),
        ("path,label\na,\n", "line 2"),
        ("path,label\na,b\na,c\n", "line 3"),
    ],
)
def test_a_table_of_corrections_that_is_wrong_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "right.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_relabelling(table)
