"""Names of any bytes through every verb that takes photos, and terminals of any encoding."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.toys import toy_image

from lightprobe import load
from lightprobe.cli import main, output
from lightprobe.csv_text import read_csv

TOY = ("--precision", "fp32", "--device", "cpu", "-q")
FIXED = ("--pool", "avg", "--encode", "l2", "--kernel", "linear")
ODD = [b"caf\xe9.png", b"two\nlines.png", b"a,b 'c' \"d\".png", b"\x1b[31m.png", "猫 → $x^{$.png".encode()]
CLASS = b"chats noirs \xe9l\xe9gants"
BROKEN = b"br\xf6ken.png"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="file names are no bytes there")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for kind, folder in (("disc", CLASS), ("noise", b"noise")):
        (root / os.fsdecode(folder)).mkdir(parents=True)
        for seed, name in enumerate([*ODD, b"plain.png"]):
            Image.fromarray(toy_image(kind, seed)).save(root / os.fsdecode(folder) / os.fsdecode(name), "PNG")
    (root / "noise" / os.fsdecode(BROKEN)).write_bytes(b"broken")
    return root


Ask = Callable[..., str]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run a command line whose stdout and stderr take ASCII only, and return what stdout got."""

    def asked(*argv: object, status: int = 0) -> str:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        assert main([str(one) for one in argv]) == status, err
        out.flush()
        err.flush()
        assert isinstance(out.buffer, io.BytesIO)
        return out.buffer.getvalue().decode("ascii", "surrogateescape")

    return asked


def test_names_of_any_bytes_come_through_every_verb(photos: Path, tmp_path: Path, ask: Ask) -> None:
    run = tmp_path / os.fsdecode(b"r\xfcn")
    row = json.loads(ask("train", photos, "--out", run, "--json", *TOY, *FIXED))
    assert (row["n_train"], row["n_skipped"]) == (12, 1)
    assert row["model"] == str(run / "model")
    name, label = f"{os.fsdecode(CLASS)}/{os.fsdecode(ODD[0])}", os.fsdecode(CLASS)
    assert {name, label} <= {*load(run / "model").paths_, *load(run / "model").classes_}
    assert [row["path"] for row in read_csv(run / "skipped.csv")] == [f"noise/{os.fsdecode(BROKEN)}"]
    ask("check", photos, "--out", tmp_path / "checked", "-q", status=1)
    assert os.fsdecode(BROKEN) in {
        Path(row["path"]).name for row in read_csv(tmp_path / "checked" / "check.csv")
    }
    found = json.loads(ask("check", photos, "--out", tmp_path / "checked", "--json", "-q", status=1))
    assert label in [one["path"] for one in found["findings"] if one["kind"] == "small-class"]
    assert {label, "noise"} == {
        c["class"] for c in json.loads(ask("evaluate", run / "model", photos, "--json", "-q"))["per_class"]
    }
    for verb in (("evaluate", run / "model", photos), ("runs", tmp_path), ("report", run)):
        ask(*verb, "-q")

    table = tmp_path / "answers.csv"
    ask("predict", run / "model", photos / "noise", "--csv", table, "-q")
    answers = read_csv(table)
    assert {os.fsencode(Path(row["path"]).name) for row in answers} == {*ODD, b"plain.png", BROKEN}
    assert [
        row["path"]
        for row in json.loads(ask("predict", run / "model", photos / "noise", "--json", "-q"))["predictions"]
    ] == [row["path"] for row in answers]

    right = tmp_path / "right.csv"
    right.write_bytes(b"path,label\nnoise/caf\xe9.png,cat\n")
    ask("update", run / "model", "--relabel", right, "-q")
    assert "cat" in load(run / "model").classes_
    done = json.loads(ask("update", run / "model", "--remove", name, "--json", "-q"))
    assert done["n_removed"] == 1
    assert not [p for p in run.rglob("*") if p.is_file() and CLASS + b"/caf" in p.read_bytes()]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_is_printed_is_legible_in_any_encoding_and_json_stays_json(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    value = {"→": ["é", "猫", "caf\udce9", "\U0001f600", "\x1b[31m"]}
    output.as_json(value)
    output.as_json_list("→", [value])
    output.table([value])
    output.names(["two\nlines", "\x1b[31mred"])
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    lines = out.buffer.getvalue().decode(encoding).splitlines()
    assert json.loads(lines[0]) == value
    assert json.loads(lines[1]) == {"→": [value]}
    assert lines[-2:] == ["two\\nlines", "\\x1b[31mred"]


def test_a_fault_of_the_program_is_one_sentence_and_not_the_status_of_findings(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TypeError("Object of type int64 is not JSON serializable")

    monkeypatch.setattr("lightprobe.check.check", fails)
    assert main(["check", str(photos), "--out", str(tmp_path / "c"), "-q"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("lightprobe check: a fault of lightprobe itself (TypeError: Object of type int64")
    assert "Traceback" not in said
