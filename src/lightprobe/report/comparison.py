"""The part of a page about several runs side by side: accuracy against seconds, then the table."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightprobe.report.drawing import SERIES, as_svg, error_bars, log_axis, new_figure, percent_axis
from lightprobe.report.page import Drawing, Page, Section, Table
from lightprobe.report.words import count, megabytes, percent, seconds

Row = Mapping[str, Any]


def comparison_page(rows: Sequence[Row]) -> Page:
    """Make a page of nothing but a comparison."""
    best = max(rows, key=_accuracy)
    title = (
        f"{_label(best, rows)} is the most accurate of {count(len(rows), 'run')}: {percent(_accuracy(best))}"
    )
    return Page(title, _about(rows), (), [comparison_section(rows)])


def comparison_section(rows: Sequence[Row]) -> Section:
    """Compare rows that have an accuracy."""
    best, fastest = max(rows, key=_accuracy), min(rows, key=_total)
    sentence = (
        f"{_label(best, rows)} is right in {percent(_accuracy(best))} and takes {seconds(_total(best))}; "
        f"the fastest, {_label(fastest, rows)}, is right in {percent(_accuracy(fastest))} "
        f"and takes {seconds(_total(fastest))}."
    )
    return Section("Side by side", [sentence], [_drawing(rows), _table(rows)])


def _drawing(rows: Sequence[Row]) -> Drawing:
    figure, (axes,) = new_figure()
    said = []
    for row in sorted(rows, key=_total):
        colour = SERIES[0] if row["method"] == "optical" else SERIES[1]
        low, high = row.get("test_accuracy_ci95") or (_accuracy(row), _accuracy(row))
        error_bars(axes, [_total(row)], [_accuracy(row)], [low], [high], colour)
        axes.annotate(
            _label(row, rows), (_total(row), _accuracy(row)), xytext=(8, 0), textcoords="offset points",
            color=colour, va="center", annotation_clip=False,
        )  # fmt: skip
        said.append(f"{_label(row, rows)} {percent(_accuracy(row))} in {seconds(_total(row))}")
    log_axis(axes)
    percent_axis(axes)
    axes.margins(x=0.25)
    axes.set(xlabel="seconds in all", ylabel="accuracy")
    return as_svg(figure, f"Accuracy against seconds: {'; '.join(said)}.", "Bars are 95 % intervals.")


def _table(rows: Sequence[Row]) -> Table:
    columns = ["run", "left out", "test", "seconds", "memory", "model", "photos"]
    cells = [
        [
            _label(row, rows),
            percent(row.get("loo_accuracy")),
            percent(row.get("test_accuracy")),
            seconds(_total(row)),
            megabytes(1e6 * row["peak_rss_mb"]),
            megabytes(row.get("model_bytes")),
            f"{row['n_train']:,}",
        ]
        for row in sorted(rows, key=_accuracy, reverse=True)
    ]
    return Table("Every run, the most accurate first", columns, cells, emphasised=0)


def _label(row: Row, rows: Sequence[Row]) -> str:
    """Name a run by what is not the same in all of them."""
    keys = ("method", "backbone", "cut", "image_size", "precision", "seed")
    differing = [key for key in keys if len({str(other.get(key)) for other in rows}) > 1]
    return " ".join(str(row.get(key)) for key in differing if row.get(key) is not None) or row["method"]


def _about(rows: Sequence[Row]) -> str:
    return (
        f"{count(rows[0]['n_train'], 'training photo')}, {count(rows[0]['n_classes'], 'class', 'classes')}."
    )


def _accuracy(row: Row) -> float:
    keys = ("test_accuracy", "loo_accuracy", "val_accuracy")
    return float(next((row[key] for key in keys if row.get(key) is not None), 0.0))


def _total(row: Row) -> float:
    return float(row["seconds"]["total"])
