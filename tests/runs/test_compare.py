import json
from pathlib import Path
from typing import Any

import pytest
from tests.toy_network import toy_network

from lightprobe.backbones import DEFAULT
from lightprobe.cli import main
from lightprobe.errors import LightprobeError, OptionError
from lightprobe.runs import comparison as module
from lightprobe.runs.comparison import compare
from lightprobe.runs.rows import ROWS, read_rows
from lightprobe.runs.training_run import LOG

TOY = ["--image-size", "48", "--device", "cpu", "--precision", "fp32", "-q"]


def run_row(method: str) -> dict[str, object]:
    row: dict[str, object] = {
        "method": method,
        "backbone": DEFAULT,
        "image_size": 48,
        "n_train": 36,
        "n_test": 12,
        "test_accuracy": 0.75,
        "test_accuracy_ci95": [0.5, 0.9],
        "train_seconds": 20.0,
        "peak_rss_mb": 900.0,
        "model_bytes": 10**6,
        "n_classes": 3,
        "seconds": {"features": 3.0, "predict": 2.0, "total": 5.0},
    }
    if method != "optical":
        row["seconds"] = {
            "features": 3.0,
            "search": 4.0,
            "fit": 10.0,
            "predict": 2.0,
            "to_99": 8.0,
            "total": 19.0,
        }
    return row


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Trainings that take no time, and what they were told."""
    told: list[list[str]] = []

    def train(method: str, command: list[str], run: Path) -> dict[str, object]:
        told.append([method, *command])
        run.mkdir()
        (run / "rows.jsonl").write_text(
            json.dumps({"epoch": 1, "seconds": 5.0, "test_accuracy": 0.6}) + "\n", encoding="utf-8"
        )
        return run_row(method)

    monkeypatch.setattr(module, "_train", train)
    return told


def test_seconds_to_99_percent_are_all_of_the_closed_forms_and_exclude_the_search_for_a_rate(
    trained: list[list[str]], tmp_path: Path
) -> None:
    outcome = compare({"optical": ["toys"], "fine-tune": ["toys"]}, tmp_path / "out")
    light, tuned = outcome["rows"]
    # Of 20 s 10 are epochs, 4 search, 3 looking (which the 8 until 99 % have in them), 3 setting up.
    assert (light["seconds_to_99"], tuned["seconds_to_99"]) == (20.0, 3.0 + 8.0)
    assert light["images_per_second"] == 6.0
    assert (tmp_path / "out" / "compare.png").stat().st_size > 5000
    assert len((tmp_path / "out" / "rows.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert trained[0] == ["optical", "toys"]


def test_an_older_comparison_gives_way_and_what_is_none_is_left_alone(
    trained: list[list[str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    compare({"optical": ["toys"], "fine-tune": ["toys"]}, out)
    compare({"scratch": ["toys"]}, out)
    assert [row["method"] for row in read_rows(out)] == ["scratch"]
    (out / LOG).unlink()
    before = sorted(out.rglob("*"))
    with pytest.raises(OptionError, match="holds other things than a run: name a new folder"):
        compare({"scratch": ["toys"]}, out)
    assert sorted(out.rglob("*")) == before, "without a log it may be anyone's"
    run = tmp_path / "run"
    compare({"optical": ["toys"]}, run)
    (run / ROWS).write_text(json.dumps(run_row("optical")) + "\n", encoding="utf-8")
    with pytest.raises(OptionError, match="holds a run that is no comparison"):
        compare({"scratch": ["toys"]}, run)
    assert [row["method"] for row in read_rows(run)] == ["optical"]
    assert len(trained) == 4


def test_every_method_is_told_its_own_options_and_those_that_all_share(
    trained: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--kernel", "linear", "--unfreeze", "1", "--epochs", "2", "--set", "flip=false", *TOY]
    assert main(["compare", "toys", "--out", str(tmp_path / "out"), "--cut", "stem", *options]) == 0
    told = {command[0]: " ".join(command[1:]) for command in trained}
    assert list(told) == ["optical", "linear-probe", "fine-tune", "scratch"]
    assert all("--image-size=48" in command for command in told.values())
    assert "--kernel=linear" in told["optical"]
    assert not any("--kernel" in told[method] for method in told if method != "optical")
    assert "--epochs" not in told["optical"]
    assert "--epochs=2" in told["scratch"]
    assert "--set=flip=false" in told["scratch"]
    assert "--lr=auto" in told["fine-tune"]
    assert "--unfreeze=1" in told["fine-tune"]
    assert "--unfreeze" not in told["linear-probe"]
    assert f"--network={DEFAULT}" in told["scratch"]
    assert "--cut=stem" not in told["scratch"]
    text = capsys.readouterr().out
    assert "optical against fine-tune: +0.0 points on 12 test photos, in 1.8 times the 11 s" in " ".join(
        text.split()
    )


def test_what_failed_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # Refused before anything is imported: other processes take seconds for that.
    with pytest.raises(LightprobeError, match="optical could not be trained"):
        compare({"optical": ["photos", "--alpha=-1"]}, tmp_path / "out")
    assert "got '-1'" in capfd.readouterr().err, "what the training said"


@pytest.mark.torch
@pytest.mark.slow
def test_two_methods_are_compared_on_toys(
    toy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = ["--methods", "optical,linear-probe", "--epochs", "3", "--json"]
    methods += ["--backbone", toy_network(tmp_path / "toy.onnx")]
    assert main(["compare", str(toy_folder), "--out", str(tmp_path / "out"), *methods, *TOY]) == 0
    light, probe = json.loads(capsys.readouterr().out)["rows"]
    assert light["n_test"] == probe["n_test"] == 12
    assert probe["epochs"] <= 3
    assert 0 < probe["seconds_to_99"] < probe["train_seconds"]


def test_methods_are_held_against_each_other_photo_by_photo() -> None:
    from lightprobe.report.comparison import _level
    from lightprobe.runs.comparison import _against

    photos = [f"{n}.jpg" for n in range(100)]
    right = {
        "optical": {photo: n < 90 for n, photo in enumerate(photos)},
        "fine-tune": {photo: n != 3 and n < 91 for n, photo in enumerate(photos)},
        "scratch": {photo: n < 50 for n, photo in enumerate(photos[:80])},
    }
    rows: list[dict[str, Any]] = [
        {"method": method, "against": _against(method, dict(list(right.items())[: i + 1]))}
        for i, method in enumerate(right)
    ]
    assert rows[0]["against"] == {}
    assert rows[1]["against"]["optical"]["ahead"] == 0.0
    assert rows[2]["against"]["optical"]["n"] == 80
    (said,) = _level(rows)
    assert said.startswith("fine-tune and optical cannot be told apart on these 100 test photos")
