"""The rows of runs: read, flattened, filtered, sorted."""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightprobe.errors import DataError, OptionError

Row = dict[str, Any]

ROWS = "rows.jsonl"
# What people compare runs by; `run` is the folder.
COLUMNS = (
    "run", "study", "method", "backbone", "cut", "pool", "encode", "kernel", "n_train",
    "loo_accuracy", "test_accuracy", "seconds.total", "peak_rss_mb", "model_bytes",
)  # fmt: skip
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "!=": operator.ne, ">=": operator.ge, "<=": operator.le, "=": operator.eq,
    ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_CONDITION = re.compile(r"([^=!<>]+)(!=|>=|<=|=|>|<)(.*)")


def read_rows(run: Path) -> list[Row]:
    """Read a run's rows, those of single epochs left out.

    Raises
    ------
    DataError
        If there are none, or a line is no JSON object.
    """
    path = run / ROWS
    try:
        lines = json_lines(path)
    except FileNotFoundError:
        raise DataError(f"{run} holds no {ROWS}: name the folder that --out named.") from None
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            # A run that was killed while it wrote leaves half a line at the end; the work is done again.
            if number == len(lines):
                break
            raise DataError(
                f"{path}, line {number} is no JSON: restore the file or delete the line."
            ) from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number} is no JSON object: delete the line.")
        if "epoch" not in row:
            rows.append(row)
    return rows


def json_lines(path: Path) -> list[str]:
    """Read the lines of a file of JSON Lines; a name in it may hold what Unicode calls an end of line."""
    text = path.read_bytes().decode("utf-8")
    return text.removesuffix("\n").split("\n") if text else []


def collect_rows(folder: Path) -> list[Row]:
    """Read the rows of every run in a folder, itself included, flattened, with `run`, the run's folder.

    Raises
    ------
    DataError
        If there is no run.
    """
    found = sorted(folder.rglob(ROWS)) if folder.is_dir() else []
    if not found:
        raise DataError(f"{folder} holds no run (no {ROWS} anywhere in it): name a folder with runs.")
    return [
        {"run": path.parent.relative_to(folder).as_posix(), **flattened(row)}
        for path in found
        for row in read_rows(path.parent)
    ]


def flattened(row: Mapping[str, Any], prefix: str = "") -> Row:
    """Write {"seconds": {"fit": 1}} as {"seconds.fit": 1}; of lists only the ends of intervals stay."""
    flat: Row = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            if key.endswith("_ci95"):
                flat |= {f"{prefix}{key}.low": value[0], f"{prefix}{key}.high": value[1]}
        else:
            flat[prefix + key] = value
    return flat


def filtered(rows: Sequence[Row], conditions: Sequence[str]) -> list[Row]:
    """Keep the flat rows that meet every condition, each KEY=VALUE, !=, <, <=, > or >=.

    Raises
    ------
    OptionError
        If a condition cannot be read or its key is in no row.
    """
    for condition in conditions:
        match = _CONDITION.fullmatch(condition)
        if match is None:
            raise OptionError(
                f"The filter {condition!r} is none; write KEY=VALUE, with =, !=, <, <=, > or >=, "
                "such as 'test_accuracy>0.9'."
            )
        key, sign, text = (part.strip() for part in match.groups())
        _require_key(rows, key, "filter")
        rows = [row for row in rows if _meets(row.get(key), _OPERATORS[sign], sign, text)]
    return list(rows)


def ordered(rows: Sequence[Row], key: str | None, *, descending: bool = False) -> list[Row]:
    """Sort flat rows by a key, numbers before text; rows without it come last.

    Raises
    ------
    OptionError
        If no row has the key.
    """
    if key is None:
        return list(rows)
    _require_key(rows, key, "sort by")

    def rank(row: Row) -> tuple[bool, Any]:
        value = row[key]
        return isinstance(value, str), value

    having = [row for row in rows if row.get(key) is not None]
    having.sort(key=rank, reverse=descending)
    return having + [row for row in rows if row.get(key) is None]


def _require_key(rows: Sequence[Row], key: str, what: str) -> None:
    known = sorted({name for row in rows for name in row})
    if rows and key not in known:
        raise OptionError(f"No row has {key!r} to {what}; there are {', '.join(known)}.")


def _meets(value: Any, compare: Callable[[Any, Any], bool], sign: str, text: str) -> bool:
    if value is None:
        return sign == "!="
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return compare(value, float(text))
        except ValueError:
            return sign == "!="
    return compare(str(value), text)
