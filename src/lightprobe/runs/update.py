"""Update a model that lies in a folder, and take the traces of forgotten photos out of the run around it."""

import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightprobe.atomic import left_over, through_links, write_whole
from lightprobe.csv_text import decoded, encoded, rows_with_text
from lightprobe.errors import DataError, OptionError
from lightprobe.images import photo_name, read_table
from lightprobe.json_text import to_json
from lightprobe.locks import locked
from lightprobe.models import load_optical
from lightprobe.runs.artifacts import ARTIFACTS

REASONS = ("for", "against", "nearest")  # columns of predictions that list photos: a.jpg (+0.1); b.jpg (+0.2)


def update_saved(
    folder: Path,
    add: Any = None,
    *,
    remove: Sequence[str] = (),
    relabel: Mapping[str, str] | None = None,
    reselect: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Load, update and save in place; the old model stands until the new one is whole.

    Parameters
    ----------
    folder : Path
        The model.
    add, remove, relabel, reselect
        As for `ImageClassifier.update`.
    settings
        Parameters of the classifier that hold for this update only: device, workers, verbose, classes.

    Returns
    -------
    row : dict
        JSON values: what was done, and the model's figures before and after.

    Raises
    ------
    OptionError
        If nothing is asked for, or the model cannot be changed so.
    """
    if add is None and not remove and not relabel and not reselect:
        raise OptionError("There is nothing to update: give --add, --remove, --relabel or --reselect.")
    # From reading to writing, so that of two updates at once the second sees what the first has done.
    with locked(folder):
        model = load_optical(folder, "updating")
        own = {name: model.get_params()[name] for name in settings}
        before = model.loo_accuracy_
        model.set_params(**settings).update(add, remove=remove, relabel=relabel, reselect=reselect)
        model.set_params(**own).save(folder)
        done = asdict(model.update_)
        scrubbed = scrub_run(through_links(folder), done.pop("removed")) if remove else []
    return {
        "model": str(folder),
        **done,
        "n_train": model.n_train_,
        "classes": model.classes_.tolist(),
        **model.choice_.to_config(),
        "alpha": model.fitted.head.alpha,
        "alpha_relative": model.fitted.head.alpha_relative,
        "loo_accuracy_before": before,
        "loo_accuracy": model.loo_accuracy_,
        "stale": model.stale_,
        "scrubbed": scrubbed,
    }


def scrub_run(model: Path, names: Sequence[str]) -> list[str]:
    """Take photos out of what a run wrote beside its model; return the files that were changed or deleted.

    Pages may show the photos and are deleted; from tables go the rows that name one in a cell, or among the
    reasons for an answer; from the log the lines that name one as a JSON string, which is how a log names a
    photo. Names count whole: `cat/1.jpg` is not in `bobcat/1.jpg`. Rows of runs hold figures over all photos
    and no names: they stay.
    """
    forgotten = frozenset(names)
    # A save that was killed leaves its folder, or the old model.
    for folder in left_over(model):
        shutil.rmtree(folder)
    if not (model.parent / "rows.jsonl").exists():
        return []
    touched = []
    for path in sorted(model.parent.iterdir()):
        if path.suffix == ".html":
            path.unlink()
            touched.append(path.name)
        elif path.suffix in _WITHOUT:
            text = decoded(path.read_bytes())
            kept = _WITHOUT[path.suffix](text, forgotten)
            if kept != text:
                write_whole(path, encoded(kept))
                touched.append(path.name)
    # What the old model said of the photos, and small pictures of some.
    if (artifacts := model.parent / ARTIFACTS).is_dir():
        shutil.rmtree(artifacts)
        touched.append(artifacts.name)
    return touched


def _table_without(text: str, names: Collection[str]) -> str:
    """Take the rows that name one of the photos out of a table; the others stay to the byte."""
    reason = re.compile(rf"(?:^|; )(?:{'|'.join(map(re.escape, names))}) \([+-][0-9.]+\)(?=;|$)")
    rows = list(rows_with_text(text))
    reasons = [place for place, column in enumerate(rows[0][0] if rows else ()) if column in REASONS]
    return "".join(
        row
        for cells, row in rows
        if not any(cell in names for cell in cells)
        and not any(reason.search(cells[place]) for place in reasons if place < len(cells))
    )


def _log_without(text: str, names: Collection[str]) -> str:
    """Take the lines that name one of the photos, as a JSON string, out of a log."""
    quoted = [to_json(name, ascii_only=ascii_only) for name in names for ascii_only in (False, True)]
    return "".join(
        line for line in text.splitlines(keepends=True) if not any(name in line for name in quoted)
    )


_WITHOUT: Mapping[str, Callable[[str, Collection[str]], str]] = {".csv": _table_without, ".txt": _log_without}


def read_removals(items: Sequence[str]) -> list[str]:
    """List the photos to remove: a table among the items stands for those in its column `path`.

    Raises
    ------
    DataError
        If a table cannot be read, or has no such column.
    """
    photos: list[str] = []
    for item in items:
        if Path(item).suffix.lower() == ".csv":
            table = read_table(Path(item))
            place = table.column("path")
            photos += [row[place] for _, row in table.rows if row[place]]
        else:
            photos.append(item)
    return photos


def read_relabelling(path: Path) -> dict[str, str]:
    """Read a table of corrections: columns `path` and `label`, others ignored.

    A photo's name need not be text, as the tables that lightprobe writes keep its bytes; a label must be.

    Raises
    ------
    DataError
        If it is no table, a column or a cell is missing, or a photo gets two labels.
    """
    table = read_table(path)
    labels: dict[str, str] = {}
    seen: dict[str, tuple[int, str]] = {}
    for line, _, photo, label in table.labels():
        first, its_label = seen.setdefault(photo_name(photo), (line, label))
        if label != its_label:
            raise DataError(
                f"{path}, line {line}: each photo needs one path and one label "
                f"(path {photo!r}, label {label!r}, and {its_label!r} on line {first})."
            )
        if first == line:
            labels[photo] = label
    return labels
