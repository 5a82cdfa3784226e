"""Runs at the edge of what a run can be: no answers, one, all right, all wrong, one class, very many."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tests.report.pages import train_row, write_rows

from lightprobe.images import open_images
from lightprobe.report import write_report
from lightprobe.runs.artifacts import Answer, keep
from lightprobe.runs.comparison import draw_comparison
from lightprobe.runs.epochs import draw_curves
from lightprobe.runs.metrics import wilson_interval


@dataclass(frozen=True)
class Edge:
    """So many answers of each split, so many of them right, of so many classes."""

    n: int
    right: int
    n_classes: int = 2

    @property
    def share(self) -> float:
        return self.right / self.n if self.n else 0.0


EDGES = {
    "no answers": Edge(0, 0),
    "one answer": Edge(1, 1),
    "two answers": Edge(2, 1),
    "all right, where Wilson's upper end rounds below one": Edge(10, 10),
    "all right, of many": Edge(41, 41),
    "all wrong": Edge(25, 0),
    "one class": Edge(6, 6, 1),
    "two hundred classes": Edge(200, 77, 200),
}


def edge_row(edge: Edge, **changes: Any) -> dict[str, Any]:
    tested = {
        "n_test": edge.n,
        "test_accuracy": edge.share if edge.n else None,
        "test_accuracy_ci95": list(wilson_interval(edge.right, edge.n)) if edge.n else None,
        "expected_calibration_error": 0.0 if edge.n else None,
    }
    seconds = {"features": 1.0, "generate": 0.0, "project": 0.0, "fit": 0.01, "predict": 0.0, "total": 1.01}
    row = train_row(
        loo_accuracy=edge.share, n_train=max(edge.n, 2), n_classes=edge.n_classes, seconds=seconds
    )
    return row | tested | changes


def study_rows(edge: Edge) -> list[dict[str, Any]]:
    """Rows of every study, each with the fewest rows it may have and then with more."""

    def row(study: str, configuration: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return edge_row(edge, study=study, configuration=configuration, identity="x", command="", **changes)

    sizes = {"parameters": 10, "bytes": {"fp32": 40, "fp16": 20, "int8": 10}, "within": 0.01}
    rows = [
        row("layers", {"cut": cut, "kernel": kernel}, cut=cut, kernel=kernel, **sizes)
        for cut in ("end", "start")
        for kernel in ("linear", "optical")
    ]
    rows += [row("precision", {"precision": p}, precision=p) for p in ("fp32", "bf16")]
    rows += [
        row("size", {"share": share, "draw": draw}, n_train=n)
        for share, n in ((1.0, 40), (0.6, 24), (0.36, 14), (0.216, 9))
        for draw in range(3)
    ]
    rows += [row("size", {"views": views, "draw": 0}, n_train=views) for views in (1, 2)]
    random = {
        "projection": "structured",
        "camera": None,
        "n_features": 8,
        "solve_bytes": 1,
        "matrix_bytes": 1,
    }
    rows += [row("projection", {"k": k}, components=k, **random) for k in ("exact", 4, 8)]
    rows += [
        row("backbones", {"network": name}, backbone=name) for name in ("efficientnet_lite0", "caf\udce9")
    ]
    rows += [
        row("sensitivity", {"setting": name, "value": value})
        for name, value in (("none", 0), ("alpha", 1), ("alpha", 2))
    ]
    return rows


def keep_edge(run: Path, edge: Edge, names: Callable[[int], str]) -> None:
    """Keep the answers of such a run."""
    classes = [names(i) for i in range(edge.n_classes)]
    answers = []
    for split in ("left-out", "test"):
        for i in range(edge.n):
            label = classes[i % edge.n_classes]
            said = label if i < edge.right else classes[(i + 1) % edge.n_classes]
            answers.append(
                Answer(split, f"{i}.jpg", label, said, 1.0, classes[-1], 0.0, float(said == label))
            )
    images = open_images((np.zeros((2, 8, 8, 3), np.uint8), ["a", "b"]))
    keep(run, images, answers, classes, "lightprobe train photos", "ImageClassifier()")


def draw_all(edge: Edge, folder: Path) -> list[Path]:
    """Draw everything that a run with such answers shows, and return the pages."""
    names = "class {}".format
    write_rows(folder / "one", edge_row(edge))
    keep_edge(folder / "one", edge, names)
    timed: dict[str, Any] = {
        "train_seconds": 1.0,
        "seconds_to_99": 1.0,
        "setup_seconds": 0.0,
        "test_accuracy": edge.share,
    }
    timed["test_accuracy_ci95"] = list(wilson_interval(edge.right, edge.n))
    methods = [edge_row(edge, method=method, **timed) for method in ("optical", "fine-tune")]
    write_rows(folder / "several", *methods)
    write_rows(folder / "studies", *study_rows(edge))
    draw_comparison(methods, epochs(edge), folder / "compare.png")
    draw_curves(epochs(edge)["fine-tune"], 1, folder / "curves.png")
    return [write_report(folder / name) for name in ("one", "several", "studies")]


def epochs(edge: Edge) -> Mapping[str, Sequence[dict[str, Any]]]:
    loss = float("nan") if edge.n == 0 else 0.0
    one = {"epoch": 1, "seconds": 0.0, "train_loss": loss, "val_loss": 0.0, "test_loss": None}
    one |= {"train_accuracy": edge.share, "val_accuracy": edge.share, "test_accuracy": edge.share}
    return {"optical": [], "fine-tune": [one]}
