"""The one way that tables become CSV: UTF-8, in which a file name that is no text keeps its own bytes.

So `cut -d, -f1` gives names that the system knows, and reading a table here gives the very names back.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line end for a formula, whoever
named the photo or class. Such a cell gets a `'` before it, as OWASP advises, unless it is a plain number; one
that has some and then such a character gets one more, so that reading always takes off what writing put on.
"""

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from lightprobe.atomic import write_whole

# How names reach Python from the system, and go back: "surrogateescape", on Windows "surrogatepass".
NAME_ERRORS = sys.getfilesystemencodeerrors()


_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\n]")
_NEUTRAL: Final = re.compile(r"'+[=+\-@\t\r\n]")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def neutral(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def plain(cell: str) -> str:
    """Return the cell that `neutral` was given."""
    return cell[1:] if _NEUTRAL.match(cell) else cell


def csv_line(cells: Iterable[Any]) -> str:
    """Write one row, its line end included, with what a spreadsheet would take for formulas neutralised."""
    line = io.StringIO()
    csv.writer(line).writerow(map(neutral, cells))
    return line.getvalue()


def csv_rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """Read the rows that `csv_line` wrote."""
    for row in csv.reader(lines):
        yield [plain(cell) for cell in row]


def encoded(text: str) -> bytes:
    """Encode text that may hold names; half a character that no system made is written as its escape."""
    try:
        return text.encode("utf-8", NAME_ERRORS)
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def decoded(content: bytes) -> str:
    """Decode what `encoded` wrote."""
    return content.decode("utf-8", NAME_ERRORS)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table, whole or not at all."""
    write_whole(path, encoded("".join(csv_line(row) for row in (columns, *rows))))


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a table's rows by its columns."""
    rows = csv_rows(io.StringIO(decoded(path.read_bytes()), newline=""))
    columns = next(rows, [])
    return [dict(zip(columns, row, strict=False)) for row in rows if row]


def rows_with_text(text: str) -> Iterator[tuple[list[str], str]]:
    """Yield each row's cells and the very text that it stands in, line end included."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            taken.append(line)
            yield line

    for cells in csv_rows(lines()):
        yield cells, "".join(taken)
        taken.clear()
