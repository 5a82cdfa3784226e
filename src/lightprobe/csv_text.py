"""The one way that tables become CSV: UTF-8, in which a file name that is no text keeps its own bytes.

So `cut -d, -f1` gives names that the system knows, and reading a table here gives the very names back.
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lightprobe.atomic import write_whole

# How names reach Python from the system, and go back: "surrogateescape", on Windows "surrogatepass".
NAME_ERRORS = sys.getfilesystemencodeerrors()


def csv_line(cells: Iterable[Any]) -> str:
    """Write one row, its line end included."""
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


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
    return list(csv.DictReader(io.StringIO(decoded(path.read_bytes()), newline="")))


def rows_with_text(text: str) -> Iterator[tuple[list[str], str]]:
    """Yield each row's cells and the very text that it stands in, line end included."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            taken.append(line)
            yield line

    for cells in csv.reader(lines()):
        yield cells, "".join(taken)
        taken.clear()
