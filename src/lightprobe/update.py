"""Update a model that lies in a folder, and take the traces of forgotten photos out of the run around it."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightprobe.errors import DataError, OptionError
from lightprobe.images import photo_name, read_table
from lightprobe.models import load_optical

# A save that was killed leaves its folder, or the old model, under such a name.
LEFT_OVER = r"\.{name}\.[0-9a-f]{{32}}"


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
    model = load_optical(folder, "updating")
    own = {name: model.get_params()[name] for name in settings}
    before = model.loo_accuracy_
    model.set_params(**settings).update(add, remove=remove, relabel=relabel, reselect=reselect)
    model.set_params(**own).save(folder)
    done = asdict(model.update_)
    scrubbed = scrub_run(folder, done.pop("removed")) if remove else []
    return {
        "model": str(folder),
        **done,
        "n_train": model.n_train_,
        "classes": model.classes_.tolist(),
        **model.choice_.to_config(),
        "alpha": model.head_.alpha_,
        "alpha_relative": model.head_.alpha_relative_,
        "loo_accuracy_before": before,
        "loo_accuracy": model.loo_accuracy_,
        "stale": model.stale_,
        "scrubbed": scrubbed,
    }


def scrub_run(model: Path, names: Sequence[str]) -> list[str]:
    """Take photos out of what a run wrote beside its model; return the files that were changed or deleted.

    Pages may show the photos and are deleted; from tables and the log go the lines that name one. Rows of
    runs hold figures over all photos and no names: they stay.
    """
    left_over = re.compile(LEFT_OVER.format(name=re.escape(model.name)))
    for sibling in model.parent.iterdir():
        if left_over.fullmatch(sibling.name):
            shutil.rmtree(sibling)
    if not (model.parent / "rows.jsonl").exists():
        return []
    touched = []
    for path in sorted(model.parent.iterdir()):
        if path.suffix == ".html":
            path.unlink()
            touched.append(path.name)
        elif path.suffix in (".csv", ".txt"):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if not any(name in line for name in names)]
            if len(kept) < len(lines):
                partial = path.with_name(f".{path.name}.partial")
                partial.write_text("".join(kept), encoding="utf-8")
                partial.replace(path)
                touched.append(path.name)
    # What the old model said of the photos, and small pictures of some.
    if (evidence := model.parent / "evidence").is_dir():
        shutil.rmtree(evidence)
        touched.append(evidence.name)
    return touched


def read_relabelling(path: Path) -> dict[str, str]:
    """Read a table of corrections: columns `path` and `label`, others ignored.

    Raises
    ------
    DataError
        If it is no table, a column or a cell is missing, or a photo gets two labels.
    """
    table = read_table(path)
    missing = [name for name in ("label", "path") if table.place(name) is None]
    if missing:
        raise DataError(f"{path} has no column {' and '.join(missing)}: it needs path and label.")
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
