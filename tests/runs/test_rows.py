import csv
import json
from pathlib import Path

import pytest
from tests.report.pages import train_row, write_rows

from lightprobe.cli import main
from lightprobe.errors import DataError, OptionError
from lightprobe.runs.rows import collect_rows, filtered, ordered, read_rows


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write_rows(tmp_path / "a", train_row(test_accuracy=0.7), {"epoch": 1, "method": "scratch"})
    write_rows(tmp_path / "deep" / "b", train_row(test_accuracy=0.9, backbone="resnet18"))
    write_rows(tmp_path / "c", train_row(test_accuracy=None, test_accuracy_ci95=None))
    return tmp_path


def test_rows_of_all_runs_are_found_and_epochs_are_not_runs(runs: Path) -> None:
    rows = collect_rows(runs)
    assert [row["run"] for row in rows] == ["a", "c", "deep/b"]
    assert rows[0]["seconds.total"] == 3.2
    assert (rows[0]["test_accuracy_ci95.low"], rows[0]["test_accuracy_ci95.high"]) == (0.63, 0.9)


def test_rows_are_sorted_by_number_with_the_absent_last(runs: Path) -> None:
    rows = collect_rows(runs)
    assert [r["run"] for r in ordered(rows, "test_accuracy", descending=True)] == ["deep/b", "a", "c"]
    assert [r["run"] for r in ordered(rows, "test_accuracy")] == ["a", "deep/b", "c"]


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("test_accuracy>0.8", ["deep/b"]),
        ("test_accuracy <= 0.7", ["a"]),
        ("backbone=resnet18", ["deep/b"]),
        ("backbone!=resnet18", ["a", "c"]),
        ("n_train=60", ["a", "c", "deep/b"]),
    ],
)
def test_conditions_compare_numbers_as_numbers_and_text_as_text(
    runs: Path, condition: str, kept: list[str]
) -> None:
    assert [row["run"] for row in filtered(collect_rows(runs), [condition])] == kept


def test_what_cannot_be_done_is_said(runs: Path, tmp_path: Path) -> None:
    rows = collect_rows(runs)
    with pytest.raises(OptionError, match="write KEY=VALUE"):
        filtered(rows, ["accuracy"])
    with pytest.raises(OptionError, match="No row has 'accuracy'"):
        ordered(rows, "accuracy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no run"):
        collect_rows(tmp_path / "empty")


def test_half_a_line_at_the_end_is_a_run_that_was_killed(tmp_path: Path) -> None:
    write_rows(tmp_path, train_row())
    with (tmp_path / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"method": "opti')
    assert len(read_rows(tmp_path)) == 1
    (tmp_path / "rows.jsonl").write_text('{"method\n{}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 1"):
        read_rows(tmp_path)


def test_runs_prints_a_table_json_or_csv(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(runs), "--sort", "test_accuracy", "--columns", "run,test_accuracy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "test_accuracy"]
    assert [line.split()[0] for line in lines[1:]] == ["a", "deep/b", "c"]
    assert main(["runs", str(runs), "--json", "--filter", "backbone=resnet18"]) == 0
    assert [row["run"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["deep/b"]
    table = runs / "all.csv"
    assert main(["runs", str(runs), "--csv", str(table)]) == 0
    assert capsys.readouterr().out == ""
    with table.open(encoding="utf-8", newline="") as file:
        assert [row["run"] for row in csv.DictReader(file)] == ["a", "c", "deep/b"]


def test_report_is_made_again_from_the_command_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs / "c"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(runs / "c" / "report.html")}
    assert main(["report", str(runs)]) == 2
    assert "holds no rows.jsonl" in capsys.readouterr().err
