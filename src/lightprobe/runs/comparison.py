"""Methods side by side on the same photos: each trains alone, in a process of its own, without a cache."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from lightprobe.errors import LightprobeError, OptionError
from lightprobe.figures import figure, save_figure
from lightprobe.runs.artifacts import TEST, read_artifacts
from lightprobe.runs.metrics import paired_interval
from lightprobe.runs.rows import ROWS, json_lines, read_rows
from lightprobe.runs.training_run import LOG, Row, append_row, open_run

FIGURE = "compare.png"
# Told apart by the colour-blind (Okabe and Ito 2008).
COLOURS = {"optical": "#d55e00", "linear-probe": "#0072b2", "fine-tune": "#009e73", "scratch": "#cc79a7"}
# Of a run alone, and long.
_LEFT_OUT = ("candidates", "recipe", "cached")


def compare(commands: Mapping[str, Sequence[str]], out: Path) -> dict[str, Any]:
    """Run `lightprobe train` once a method, and set the outcomes side by side.

    An older comparison in the folder gives way: its rows, and the runs of the methods that are asked for.

    Parameters
    ----------
    commands : mapping of str to sequence of str
        For each method what stands behind `lightprobe train --json --out RUN`.
    out : Path
        The comparison's folder: `rows.jsonl`, `compare.png`, and a run in a folder of each method's name.

    Returns
    -------
    dict
        `rows`, one a method: test accuracy with its 95 % interval; `train_seconds`, from files to a fitted
        model, everything cold; `seconds_to_99`, from files until validation first reached 99 % of its best,
        the search for a learning rate left out (of the closed form, all its seconds); peak memory; bytes on
        disk; `images_per_second` when it predicts. `figure`: its path, None if it could not be drawn.

    Raises
    ------
    LightprobeError
        A training failed; what it said stands on stderr.
    OptionError
        The photos have no test split, or the folder holds runs that are no comparison.
    """
    with open_run(out):
        return _compare(commands, out)


def _compare(commands: Mapping[str, Sequence[str]], out: Path) -> dict[str, Any]:
    if (out / ROWS).exists():
        if not all("seconds_to_99" in row for row in read_rows(out)):
            raise OptionError(f"{out} holds a run that is no comparison: name a new folder with --out.")
        (out / ROWS).unlink()
    rows, curves = [], {}
    right: dict[str, dict[str, bool]] = {}
    for method, command in commands.items():
        if (out / method / LOG).exists():  # a run, which this one would go on in
            shutil.rmtree(out / method)
        row = _train(method, command, out / method)
        if row["test_accuracy"] is None:
            raise OptionError("There are no test photos to compare on: keep some with --test-fraction 0.2.")
        right[method] = _right(out / method)
        rows.append({**_outcome(row), "against": _against(method, right)})
        append_row(out, rows[-1])
        curves[method] = _epochs(out / method)
    picture = out / FIGURE
    drawn = draw_comparison(rows, curves, picture)
    return {"rows": rows, "figure": str(picture) if drawn else None}


@figure("test accuracy against training seconds", lambda _: False)
def draw_comparison(rows: Sequence[Row], curves: Mapping[str, Sequence[Row]], path: Path) -> bool:
    """Draw test accuracy against training seconds; lines are the epochs on the way, where there are some.

    Parameters
    ----------
    rows : sequence of dict
        As `compare` returns them.
    curves : mapping of str to sequence of dict
        Each method's epochs.

    Returns
    -------
    bool
        Whether it could be drawn.
    """
    drawing = Figure(figsize=(8, 4.6), facecolor="white", layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.subplots()
    for row in rows:
        method, accuracy = row["method"], row["test_accuracy"]
        colour = COLOURS[method]
        low, high = row["test_accuracy_ci95"]
        before = row["setup_seconds"]
        way = [(before + e["seconds"], e["test_accuracy"]) for e in curves[method]]
        if way:
            axes.plot(*zip(*way, strict=True), color=colour, alpha=0.45, linewidth=1.5)
        error = [[max(accuracy - low, 0)], [max(high - accuracy, 0)]]
        axes.errorbar(row["train_seconds"], accuracy, error, color=colour, marker="o", capsize=3)
        axes.annotate(
            f"{method}  {accuracy:.1%}",
            (row["train_seconds"], accuracy),
            xytext=(8, 4),
            textcoords="offset points",
            color=colour,
            weight="bold",
        )
    axes.set(xscale="log", xlabel="seconds of training, everything cold", ylabel="test accuracy")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.2)
    axes.set_title(
        f"{rows[0]['backbone']}, {rows[0]['image_size']} px, {rows[0]['n_test']} test photos", loc="left"
    )
    save_figure(drawing, path, dpi=130)
    return True


def _train(method: str, command: Sequence[str], run: Path) -> Row:
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(  # noqa: S603  our own program, with the user's own arguments
            [sys.executable, "-m", "lightprobe", "train", "--json", "--no-map", f"--out={run}", *command],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "LIGHTPROBE_CACHE": cache, "PYTHONIOENCODING": "utf-8"},
            check=False,
        )
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        raise LightprobeError(f"{method} could not be trained; what it said stands above.")
    row: Row = json.loads(done.stdout)
    return row


def _outcome(row: Row) -> Row:
    seconds = row["seconds"]
    closed_form = "to_99" not in seconds
    setup = 0.0 if closed_form else row["train_seconds"] - seconds["fit"]
    # What comes before the first epoch and is no search: libraries, networks, looking.
    before = 0.0 if closed_form else setup - seconds["search"] - seconds["features"]
    return {
        **{key: value for key, value in row.items() if key not in _LEFT_OUT},
        "search_seconds": seconds.get("search", 0.0),
        "setup_seconds": setup,
        "seconds_to_99": row["train_seconds"] if closed_form else before + seconds["to_99"],
        "images_per_second": row["n_test"] / seconds["predict"],
    }


def _right(run: Path) -> dict[str, bool]:
    """Tell of each test photo whether a run's answer is right."""
    kept = read_artifacts(run)
    return {} if kept is None else {a.path: a.right for a in kept.answers if a.split == TEST}


def _against(method: str, right: Mapping[str, Mapping[str, bool]]) -> dict[str, Any]:
    """Hold a method against those before it, photo by photo: how far it is ahead, and the 95 % interval."""
    own, said = right[method], {}
    for other, answers in right.items():
        both = [path for path in own if path in answers]
        if other != method and both:
            ahead, ends = paired_interval(*(np.array([one[path] for path in both]) for one in (own, answers)))
            said[other] = {"ahead": ahead, "ci95": list(ends), "n": len(both)}
    return said


def _epochs(run: Path) -> list[Row]:
    rows = map(json.loads, json_lines(run / ROWS))
    return [row for row in rows if "epoch" in row]
