"""Tables that people write: of labelled images, of corrections, of photos to ask about: one reader."""

import codecs
import csv
import io
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightprobe.atomic import is_open_already
from lightprobe.csv_text import NAME_ERRORS, plain
from lightprobe.errors import DataError
from lightprobe.images.cells import PARQUET, WORKBOOKS, Rows, read_frame, read_parquet, read_workbook
from lightprobe.images.files import FileFinder, FileSource, is_file
from lightprobe.images.imageset import ImageSet, Skipped, label_kind, listed, photo_name
from lightprobe.images.kinds import is_image_name
from lightprobe.images.split_names import plain_role

TABLE_SUFFIXES = (".csv", ".tsv", *WORKBOOKS, *PARQUET)
LIST_SUFFIXES = (*TABLE_SUFFIXES, ".txt")
# What the columns of photos and of their classes may be called; the first that is there counts.
# fmt: off
PHOTO_COLUMNS = (
    "path", "file", "filename", "filepath", "image", "imagepath", "imagefile", "imagename", "img", "imgpath",
    "photo", "photopath", "picture", "name",
)
LABEL_COLUMNS = ("label", "class", "category", "target", "classname", "labelname", "classlabel")
# fmt: on

# The longer marks first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = ",;\t"
_SEVERAL = re.compile(r"\s*[^|]*[^|\s]\s*\|\s*[^|\s].*|\[.*,.*\]")  # a|b and ['a', 'b']


@dataclass(frozen=True)
class Table:
    """A table as it was read; every row has as many cells as the header.

    Attributes
    ----------
    path : Path
    header : list of str
    rows : list of (int, list of str)
        Number of the line where each row ends, and its cells, without spaces around them.
    """

    path: Path
    header: list[str]
    rows: list[tuple[int, list[str]]]

    def place(self, column: str) -> int | None:
        """Return where a column is; its case and spaces count nothing. None if there is none."""
        keys = [column_key(name) for name in self.header]
        return keys.index(column_key(column)) if column_key(column) in keys else None

    def column(self, role: str, name: str | None = None) -> int:
        """Return where the column of photos (`path`) or classes (`label`) is: `name`, or one called as usual.

        Raises
        ------
        DataError
            If there is none.
        """
        names = (name,) if name is not None else PHOTO_COLUMNS if role == "path" else LABEL_COLUMNS
        for one in names:
            if (place := self.place(one)) is not None:
                return place
        raise DataError(
            f"{self.path} has no column {name or role!r}; its first line is {','.join(self.header)[:80]!r}: "
            f"name the one that has it with `{role}_column`, or call it {role} "
            "(in a text, with commas, semicolons or tabs between)."
        )

    def labels(
        self, path_column: str | None = None, label_column: str | None = None
    ) -> Iterator[tuple[int, list[str], str, str]]:
        """Yield line, cells, path and label of each row.

        Raises
        ------
        DataError
            If a column is missing, or a cell is empty or names several classes.
        """
        places = {"path": self.column("path", path_column), "label": self.column("label", label_column)}
        for line, row in self.rows:
            for name, place in places.items():
                if not row[place]:
                    raise DataError(
                        f"{self.path}, line {line}, column {self.header[place] or name}: empty; "
                        "every image needs a path and a label."
                    )
            path, label = row[places["path"]], row[places["label"]]
            if _SEVERAL.fullmatch(label):
                raise DataError(
                    f"{self.path}, line {line}, column {self.header[places['label']]}: {label!r} names "
                    "several classes, and a photo has one here: keep one of them."
                )
            yield line, row, path, label


def column_key(name: str) -> str:
    """Return a column's name in lower case and without spaces or underscores."""
    return "".join(name.casefold().replace("_", " ").split())


def read_table(path: Path) -> Table:
    """Read a table with a header.

    An Excel workbook (its first sheet), Parquet, or text: UTF-8, or what its byte order mark says (UTF-16,
    UTF-32); commas, semicolons or tabs are between the columns, whichever the first line has most of. Blank
    lines count nothing, and every cell is text: 007, NA and True are what they are.

    Raises
    ------
    DataError
        If it is not text, or not a table; a row is named by its line.
    """
    if path.suffix.lower() in (*WORKBOOKS, *PARQUET):
        return _table(path, read_workbook(path) if path.suffix.lower() in WORKBOOKS else read_parquet(path))
    rows = _rows(path, read_text(path))
    header = rows[0][1] if rows else []
    photos = _photo_column(header)
    for _, row in rows:
        if not all(_is_text(cell) for place, cell in enumerate(row) if place != photos):
            raise DataError(f"{path} is not UTF-8 text: save it as CSV UTF-8.")
    return _table(path, rows)


def _table(path: Path, rows: Rows) -> Table:
    header = rows[0][1] if rows else []
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(row)} columns where the header has {len(header)}: "
                "put a value with commas between double quotes."
            )
    return Table(path, header, rows[1:])


def read_text(path: Path) -> str:
    """Read a file as UTF-8, or as its byte order mark says; DataError if it is not such text."""
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not is_open_already(path):
            # Opening a pipe would wait for a writer, for good if there is none; some devices never end.
            raise DataError(f"{path} is no file: name a table or a list, or give one by <(...).")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        # A photo's name need not be text: its bytes are kept, as the tables that lightprobe writes have them.
        text = content.decode(encoding, NAME_ERRORS if encoding.startswith("utf-8") else "strict")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(f"{path} is not UTF-8 text: save it as CSV UTF-8.")
    return text


def open_table(
    path: Path, group: str | None = None, path_column: str | None = None, label_column: str | None = None
) -> ImageSet:
    """Read a table of images: a column of paths, one of labels, perhaps `split` and `group`, others ignored.

    Paths are relative to the table's own folder, or else to the working folder, and a file is found however
    its name is spelled. `group` names the column with the groups; by default it is the column `group`, if
    there is one. A file that is missing, or listed twice in the same way, is skipped; whatever else is wrong
    with the table is a DataError that names line and column.
    """
    return _images(read_table(path), [path.parent, Path()], group, path_column, label_column)


def open_frame(
    frame: Any, group: str | None = None, path_column: str | None = None, label_column: str | None = None
) -> ImageSet:
    """Read a DataFrame whose column of photos holds paths, as `open_table` does a table."""
    table = _table(Path("the DataFrame"), read_frame(frame))
    kind = label_kind(frame.iloc[:, table.column("label", label_column)].tolist())
    return _images(table, [Path()], group, path_column, label_column, kind)


def frame_column(frame: Any, role: str, name: str | None = None) -> list[Any]:
    """Return the values of a DataFrame's column of photos (`path`) or classes (`label`)."""
    place = Table(Path("the DataFrame"), [str(column) for column in frame.columns], []).column(role, name)
    values: list[Any] = frame.iloc[:, place].tolist()
    return values


def _images(
    table: Table,
    folders: Sequence[Path],
    group: str | None,
    path_column: str | None,
    label_column: str | None,
    kind: str = "str",
) -> ImageSet:
    path, folder = table.path, folders[0]
    split_column = table.place("split")
    group_column = table.place("group" if group is None else group)

    finders = [FileFinder(one) for one in folders]
    files: list[str] = []
    paths: list[str] = []
    names: list[str] = []
    splits: list[str] = []
    groups: list[str] = []
    skipped: list[Skipped] = []
    seen: dict[str, tuple[int, str, str]] = {}
    for line, row, photo, label in table.labels(path_column, label_column):
        split = "" if split_column is None else _split(path, line, row[split_column])
        first = seen.setdefault(photo_name(str(folder / photo)), (line, label, split))
        if first[1:] != (label, split):
            raise DataError(
                f"{path}, line {line}, column path: {photo} is also on line {first[0]}, "
                "with another label or split: keep one of them."
            )
        file = next((found for finder in finders if (found := finder.find(photo)) and is_file(found)), None)
        if first[0] != line:
            skipped.append(Skipped(photo, f"listed already on line {first[0]}"))
        elif file is None:
            skipped.append(Skipped(photo, "no such file"))
        else:
            files.append(str(file))
            paths.append(photo)
            names.append(label)
            splits.append(split)
            # An image without a group is a group of its own.
            groups.append(photo if group_column is None else row[group_column] or photo)
    if not paths:
        if not seen:
            raise DataError(f"{path} has no rows: give one line for each image.")
        raise DataError(
            f"none of the {len(seen)} files in {path} exists ({listed([one.path for one in skipped], 3)}): "
            f"their paths start at {folder} or at the working folder."
        )
    return ImageSet.from_names(
        paths,
        names,
        FileSource(files),
        splits=splits,
        groups=None if group_column is None else groups,
        skipped=skipped,
        label_kind=kind,
    )


def has_column(table: Path, name: str) -> bool:
    """Tell whether the header of `table` has column `name`, in any case."""
    return read_table(table).place(name) is not None


def read_list(path: Path) -> list[str]:
    """Read which photos are meant: a table with a column of paths (`PHOTO_COLUMNS`), or a path a line.

    Returns
    -------
    list of str
        A path that is relative to the table's folder, or else to the working folder, is the file's there;
        one that is in neither stays, to be an error of its own.

    Raises
    ------
    DataError
        If it is not text, holds no paths, or has columns none of which is one of photos.
    """
    if path.suffix.lower() in (*WORKBOOKS, *PARQUET):
        table = read_table(path)
        return _found([row[table.column("path")] for _, row in table.rows], path)
    text = read_text(path)
    rows = [] if path.suffix.lower() == ".txt" and not _has_header(path, text) else _rows(path, text)
    column = _photo_column(rows[0][1]) if rows else None
    if column is not None:
        photos = [row[column] for _, row in read_table(path).rows]
    elif all(len(row) == 1 for _, row in rows) and (not rows or is_image_name(Path(rows[0][1][0]).name)):
        photos = [line.strip() for line in text.splitlines()]
    else:
        raise DataError(
            f"{path} has no column of photos; its first line is {','.join(rows[0][1])[:80]!r}: "
            "call the column path (or file, filename, image), or give one path a line."
        )
    return _found(photos, path)


def _found(photos: Sequence[str], path: Path) -> list[str]:
    """Find the files of a list, from its folder or the working folder."""
    photos = [photo for photo in photos if photo]
    if not photos:
        raise DataError(f"{path} names no photos: give one path a line, or a table with the column path.")
    beside, here = FileFinder(path.parent), FileFinder(Path())
    return [str(beside.find(photo) or here.find(photo) or path.parent / photo) for photo in photos]


def _is_text(cell: str) -> bool:
    return cell == cell.encode("utf-8", "ignore").decode()


def _has_header(path: Path, text: str) -> bool:
    rows = _rows(path, text.lstrip().partition("\n")[0])
    return bool(rows) and _photo_column(rows[0][1]) is not None


def _photo_column(header: Sequence[str]) -> int | None:
    keys = [column_key(name) for name in header]
    return next((keys.index(name) for name in PHOTO_COLUMNS if name in keys), None)


def _rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return (line number, cells) of each line that is not blank."""
    first = re.sub(r'"[^"]*"', "", next((line for line in text.splitlines() if line.strip()), ""))
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    rows = []
    try:
        for row in reader:
            # What neutralises a formula for spreadsheets is no part of a name.
            cells = [plain(cell.strip()) for cell in row]
            if any(cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not valid CSV ({error}).") from None
    return rows


def _split(table: Path, line: int, value: str) -> str:
    role = plain_role(value)
    if value and not role:
        raise DataError(
            f"{table}, line {line}, column split: {value!r} is not a split; "
            "allowed are train, val (dev, validation), test or nothing."
        )
    return role
