import csv
import json
from pathlib import Path

from lightprobe.runs.epochs import EpochLog, draw_curves


def epoch(number: int, test: float | None = None) -> dict[str, object]:
    row: dict[str, object] = {"epoch": number, "lr": 0.1, "seconds": float(number)}
    for split, value in (("train", 0.5), ("val", 0.6), ("test", test)):
        row |= {f"{split}_loss": value, f"{split}_accuracy": value}
    return row


def test_epochs_are_rows_and_lines_of_a_table_and_resuming_goes_on_in_it(tmp_path: Path) -> None:
    first = EpochLog(tmp_path, "scratch", resume=False)
    first(epoch(1))
    EpochLog(tmp_path, "scratch", resume=True)(epoch(2, test=0.7))
    with (tmp_path / "epochs.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["epoch"] for line in table] == ["1", "2"]
    assert [line["test_accuracy"] for line in table] == ["", "0.7"]
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[0]["method"] == "scratch"
    EpochLog(tmp_path, "scratch", resume=False)(epoch(1))
    assert len((tmp_path / "epochs.csv").read_text(encoding="utf-8").splitlines()) == 2


def test_curves_are_drawn_with_and_without_test_photos(tmp_path: Path) -> None:
    for name, test in (("with.png", 0.7), ("without.png", None)):
        draw_curves([epoch(1, test), epoch(2, test)], 2, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000
