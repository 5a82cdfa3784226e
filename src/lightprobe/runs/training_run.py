"""One run, one row: train into a folder and write down what it took and what came of it."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from lightprobe._version import __version__
from lightprobe.atomic import append_line
from lightprobe.backprop import GradientClassifier, Scratch, TrainedModel
from lightprobe.classifier import Fitted, TrainingRows
from lightprobe.csv_text import write_csv
from lightprobe.errors import OptionError
from lightprobe.images import ImageSet, Skipped, count_skipped, holdout_mask
from lightprobe.json_text import to_json
from lightprobe.photo_model import (
    PhotoClassifier,
    PhotoModel,
    contradict_card,
    evaluate_with_features,
    model_bytes,
)
from lightprobe.runs.artifacts import LEFT_OUT, TEST, answers_of, keep
from lightprobe.runs.epochs import CURVES, EpochLog, draw_curves
from lightprobe.runs.expectation import expectation, guess_groups, weakest
from lightprobe.runs.metrics import evaluation
from lightprobe.runs.photo_map import write_photo_map
from lightprobe.runs.run_folder import UNFINISHED

Row = dict[str, Any]

LOG = "log.txt"
BACKBONE = "backbone.safetensors"


def train(
    images: ImageSet,
    classifier: PhotoClassifier[Any],
    out: Path,
    *,
    command: str = "",
    data: str = "",
    with_map: bool = True,
) -> Row:
    """Fit, save, test and record.

    Parameters
    ----------
    images : ImageSet
        Training photos and, if it has them, test photos.
    classifier : ImageClassifier, LinearProbe, FineTune or Scratch
        Unfitted; fitted when this returns.
    out : Path
        The run's folder: `model/`, `rows.jsonl` (one row more), `skipped.csv`, `log.txt` and `artifacts/` go
        there. Methods by gradients add their epochs (`rows.jsonl`, `epochs.csv`, `curves.png`) and
        `checkpoint/`, and training from scratch the network alone, `backbone.safetensors`, for `--weights`.
    command : str
        The command line that asked for this, for the report.
    data : str
        Where the photos lie, for those who want to see them later.
    with_map : bool
        Keep a map of the photos and heat maps of mistakes for the report; see `photo_map`.

    Returns
    -------
    row : dict
        JSON values, the same as in `rows.jsonl`.
    """
    with open_run(out):
        if isinstance(classifier, GradientClassifier):
            log = EpochLog(out, classifier.method, resume=classifier.resume)
            classifier.set_params(checkpoint=out / "checkpoint", watch_test=True, on_epoch=log)
        start = time.perf_counter()
        fitted: PhotoModel = classifier.fit(images).fitted
        train_seconds = time.perf_counter() - start
        if isinstance(fitted, TrainedModel):
            train_seconds -= fitted.watched_seconds
        row = record(classifier, images, out, train_seconds, command=command, data=data, with_map=with_map)
        if isinstance(fitted, TrainedModel):
            draw_curves(fitted.history, fitted.best_epoch, out / CURVES)
        if isinstance(classifier, Scratch):
            classifier.save_backbone(out / BACKBONE)
        return row


def record(
    classifier: PhotoClassifier[Any],
    images: ImageSet,
    out: Path,
    train_seconds: float,
    *,
    command: str = "",
    data: str = "",
    with_map: bool = True,
) -> Row:
    """Save a fitted classifier into a run's open folder, test it, and write down what came of it.

    Parameters, and what is returned, as for `train`; of photos that `images` lacks no small picture is kept.
    """
    fitted: PhotoModel = classifier.fitted
    model = classifier.save(out / "model")
    test = images.test
    tested, seen = None, None
    if test is not None:
        tested, seen = evaluate_with_features(fitted, test, classifier.runtime)
    skipped = tuple(dict.fromkeys(fitted.skipped + (tested.skipped if tested else ())))
    _write_skipped(out / "skipped.csv", skipped)
    classes = list(fitted.classes)
    summary = evaluation(tested.labels, tested.probabilities, classes) if tested else {}
    row: Row = {
        **fitted.facts(),
        "n_test": summary.get("n", 0),
        "n_classes": len(classes),
        "n_skipped": count_skipped(skipped),
        "test_accuracy": summary.get("accuracy"),
        "test_accuracy_ci95": summary.get("accuracy_ci95"),
        "test_balanced_accuracy": summary.get("balanced_accuracy"),
        "expected_calibration_error": summary.get("expected_calibration_error"),
        "calibration_error_limit95": summary.get("calibration_error_limit95"),
        "peak_rss_mb": peak_rss_mb(),
        "model_bytes": model_bytes(model),
        "seed": classifier.runtime.seed,
        "version": __version__,
        "model": str(model),
        "train_seconds": train_seconds,
        "seconds": with_total({**fitted.seconds, "predict": tested.seconds if tested else 0.0}),
    }
    answers = []
    if (left_out := fitted.left_out()) is not None:
        answers += answers_of(LEFT_OUT, *left_out, classes)
    if tested is not None:
        answers += answers_of(TEST, tested.paths, tested.labels, tested.probabilities, classes)
    row |= {"classes": classes, "expected": expectation(row)}
    row["weakest"] = weakest(answers, row["expected"])
    row["group_guess"] = guess_groups(fitted, classifier.runtime, row["expected"])
    if row["expected"]["parted"]:
        contradict_card(model, row["expected"])
    append_row(out, row)
    keep(out, images, answers, classes, command, repr(classifier), data)
    if with_map:
        rows = _rows_for_map(fitted, seen)
        took = row["seconds"]["total"]
        write_photo_map(out, images, answers, rows, fitted, classifier.runtime, took)
    return row


def _rows_for_map(model: PhotoModel, seen: NDArray[np.float16] | None) -> dict[str, NDArray[Any]]:
    """Return the features of each split's photos, as the head takes them, as far as they are at hand."""
    rows: dict[str, NDArray[Any]] = {}
    if isinstance(model, Fitted) and isinstance(model.record, TrainingRows):
        rows[LEFT_OUT] = model.record.rows
    if seen is not None:
        rows[TEST] = model.encode(seen) if isinstance(model, Fitted) else seen
    return rows


def with_total(stages: Mapping[str, float]) -> dict[str, float]:
    """Add the total to a method's stages; `to_99` is a point in time and no stage."""
    return {**stages, "total": sum(value for stage, value in stages.items() if stage != "to_99")}


def make_run_folder(out: Path) -> None:
    """Make the folder, unless something other than a run lies there."""
    if out.exists() and not out.is_dir():
        raise OptionError(f"{out} is a file: name a folder for the run with --out.")
    others = out.is_dir() and any(file.name != UNFINISHED for file in out.iterdir())
    if others and not (out / LOG).exists():
        raise OptionError(f"{out} holds other things than a run: name a new folder with --out.")
    out.mkdir(parents=True, exist_ok=True)


@contextmanager
def open_run(out: Path) -> Iterator[None]:
    """Make a run's folder, or go on in one, and log there what the package says."""
    make_run_folder(out)
    with _log_to(out / LOG):
        yield


def append_row(run: Path, row: Row) -> None:
    """Add one line to the run's `rows.jsonl`."""
    append_line(run / "rows.jsonl", to_json(row) + "\n")


def with_test_split(images: ImageSet, fraction: float | None, random_state: int) -> ImageSet:
    """Keep a stratified share of the photos for test, whole groups together.

    Raises
    ------
    OptionError
        If the data has a test split already.
    """
    if fraction is None:
        return images
    if images.test is not None:
        raise OptionError("The data has a test split of its own: leave --test-fraction out.")
    held = holdout_mask(images.labels, fraction, groups=images.groups, random_state=random_state)
    return replace(images, splits=np.where(held, "test", "train"))


def peak_rss_mb() -> float:
    """Most memory that this process has held so far, in MB (10⁶ bytes)."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset / 1e6)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _write_skipped(path: Path, skipped: tuple[Skipped, ...]) -> None:
    write_csv(path, ("path", "reason"), ((s.path, s.reason) for s in skipped))


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Write what the package says to a file as well."""
    handler = logging.FileHandler(path, mode="a", encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger("lightprobe")
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(level)
        package.removeHandler(handler)
        handler.close()
