"""Tables that are no text: Excel's, Parquet, and pandas' in memory; a cell becomes the text that it shows."""

import math
import re
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lightprobe.errors import DataError, MissingExtraError

WORKBOOKS, PARQUET = (".xlsx", ".xlsm"), (".parquet",)

Rows = list[tuple[int, list[str]]]  # the number of each row, and its cells


def read_workbook(path: Path) -> Rows:
    """Read an Excel workbook's first sheet, formulas as their values; MissingExtraError without openpyxl."""
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtraError("openpyxl", "excel", f"The table {path}") from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        rows = [(number, [_shown(cell) for cell in row]) for number, row in enumerate(sheet.iter_rows(), 1)]
        book.close()
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} cannot be read as an Excel workbook ({error}): save it anew as .xlsx."
        ) from None
    rows = [(number, cells) for number, cells in rows if any(cells)]
    # Rows end where their cells do, or where some that were emptied do.
    width = max((place + 1 for _, cells in rows[:1] for place, cell in enumerate(cells) if cell), default=0)
    return [(number, [*cells, *[""] * width][: max(width, _used(cells))]) for number, cells in rows]


def read_parquet(path: Path) -> Rows:
    """Read a Parquet file; MissingExtraError without what reads it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", f"The table {path}") from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}).") from None
    # What pandas kept of its index is none of the columns.
    names = [name for name in table.column_names if not name.startswith("__index_level_")]
    columns = [[cell_text(value) for value in table[name].to_pylist()] for name in names]
    return [(1, names), *enumerate(map(list, zip(*columns, strict=True)), 2)]


def read_frame(frame: Any) -> Rows:
    """Read a DataFrame; rows are counted from 0."""
    columns = [
        [cell_text(value) for value in frame.iloc[:, place].tolist()] for place in range(frame.shape[1])
    ]
    return [(-1, [str(name) for name in frame.columns]), *enumerate(map(list, zip(*columns, strict=True)))]


def cell_text(value: Any) -> str:
    """Return a value as a table shows it: nothing for what is missing, whole numbers without `.0`."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, float) and not isinstance(value, bool):
        return "" if math.isnan(value) else str(int(value)) if value.is_integer() else str(value)
    return value.isoformat() if isinstance(value, date) else str(value).strip()


def is_frame(data: Any) -> bool:
    """Tell a DataFrame of pandas, or one that is made like it."""
    return all(hasattr(data, name) for name in ("columns", "iloc", "shape", "dtypes"))


def _shown(cell: Any) -> str:
    """Return a cell's text; a number that is shown with zeros before it keeps them (007)."""
    text = cell_text(cell.value)
    zeros = str(getattr(cell, "number_format", ""))
    return text.zfill(len(zeros)) if text.isdecimal() and re.fullmatch("0+", zeros) else text


def _used(cells: list[str]) -> int:
    return max((place + 1 for place, cell in enumerate(cells) if cell), default=0)
