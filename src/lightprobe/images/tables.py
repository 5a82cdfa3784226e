"""A table of images: `path,label[,split][,group]`, paths relative to the table's own folder."""

import csv
from collections.abc import Iterator
from pathlib import Path

from lightprobe.errors import DataError
from lightprobe.images.files import FileSource
from lightprobe.images.imageset import ImageSet, Skipped
from lightprobe.images.layout import SPLIT_NAMES

REQUIRED = ("path", "label")


def open_table(table: Path, group: str | None = None) -> ImageSet:
    """Read a .csv table (UTF-8, header, columns in any order, further columns ignored).

    `group` names the column with the groups; by default it is the column `group`, if there is one.
    A file that is missing, or listed twice in the same way, is skipped; whatever else is wrong with
    the table is a DataError that names line and column.
    """
    rows = _rows(table)
    header = next(rows, (1, []))[1]
    columns = {name.strip().casefold(): place for place, name in reversed(list(enumerate(header)))}
    for name in REQUIRED:
        if name not in columns:
            raise DataError(
                f"{table} has no column {name!r}; its first line is {','.join(header)[:80]!r}: "
                "the header must be path,label and may add split and group, with commas between."
            )
    group_column = columns.get("group" if group is None else group.strip().casefold())

    paths: list[str] = []
    names: list[str] = []
    splits: list[str] = []
    groups: list[str] = []
    skipped: list[Skipped] = []
    seen: dict[str, tuple[int, str, str]] = {}
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{table}, line {line}: {len(row)} columns where the header has {len(header)}: "
                "put a value with commas between double quotes."
            )
        path, label = (_cell(table, line, name, row[columns[name]]) for name in REQUIRED)
        split = _split(table, line, row[columns["split"]]) if "split" in columns else ""
        first = seen.setdefault(path, (line, label, split))
        if first[1:] != (label, split):
            raise DataError(
                f"{table}, line {line}, column path: {path} is also on line {first[0]}, "
                "with another label or split: keep one of them."
            )
        if first[0] != line:
            skipped.append(Skipped(path, f"listed already on line {first[0]}"))
        elif not _is_file(table.parent / path):
            skipped.append(Skipped(path, "no such file"))
        else:
            paths.append(path)
            names.append(label)
            splits.append(split)
            # An image without a group is a group of its own.
            groups.append(path if group_column is None else row[group_column].strip() or path)
    if not paths:
        if not seen:
            raise DataError(f"{table} has no rows: give one line for each image.")
        raise DataError(
            f"none of the {len(seen)} files in {table} exists: their paths start at {table.parent}."
        )
    return ImageSet.from_names(
        paths,
        names,
        FileSource([str(table.parent / path) for path in paths]),
        splits=splits,
        groups=None if group_column is None else groups,
        skipped=skipped,
    )


def has_column(table: Path, name: str) -> bool:
    """Tell whether the header of `table` has column `name`, in any case."""
    header = next(_rows(table), (1, []))[1]
    return name.strip().casefold() in (column.strip().casefold() for column in header)


def _rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each line that is not blank."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
        except csv.Error as error:
            raise DataError(f"{table}, line {reader.line_num}: not valid CSV ({error}).") from None
        except UnicodeDecodeError:
            raise DataError(f"{table} is not UTF-8 text: save it as CSV UTF-8.") from None


def _cell(table: Path, line: int, column: str, value: str) -> str:
    if not value.strip():
        raise DataError(
            f"{table}, line {line}, column {column}: empty; every image needs a path and a label."
        )
    return value.strip()


def _split(table: Path, line: int, value: str) -> str:
    name = value.strip().casefold()
    if name and name not in SPLIT_NAMES:
        raise DataError(
            f"{table}, line {line}, column split: {value!r} is not a split; "
            f"allowed are {', '.join(SPLIT_NAMES)} or nothing."
        )
    return SPLIT_NAMES.get(name, "")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
