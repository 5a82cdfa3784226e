import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightprobe.csv_text import csv_line, csv_rows, neutral, plain, read_csv, rows_with_text, write_csv

FORMULAS = ["=1+1", "+cmd|x", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x")']


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_begins_as_a_formula_does(cell: str) -> None:
    ((read,),) = csv.reader(io.StringIO(csv_line([cell]), newline=""))
    assert read == f"'{cell}"


@pytest.mark.parametrize("number", ["-1", "+1.5", "-.5", "-1e-3", "-12.", "0.25"])
def test_plain_numbers_stay_as_they_are(number: str) -> None:
    assert csv_line([number]) == f"{number}\r\n"


@given(st.text(alphabet="'=+-@\t\r\n1.ea ,\"", max_size=8))
def test_reading_takes_off_what_writing_put_on(cell: str) -> None:
    assert plain(neutral(cell)) == cell
    assert list(csv_rows(io.StringIO(csv_line(["x", cell]), newline=""))) == [["x", cell]]


def test_every_reader_gives_the_cells_that_were_written(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    write_csv(table, ["path", "label"], [[name, "'=x"] for name in FORMULAS])
    assert [row["path"] for row in read_csv(table)] == FORMULAS
    assert {row["label"] for row in read_csv(table)} == {"'=x"}
    text = table.read_bytes().decode()
    assert [cells[0] for cells, _ in rows_with_text(text)] == ["path", *FORMULAS]
    assert "".join(row for _, row in rows_with_text(text)) == text
