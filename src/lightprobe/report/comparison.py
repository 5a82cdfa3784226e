"""The part of a page about several runs side by side: accuracy against seconds, then the table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightprobe.html_text import ABSENT, percent
from lightprobe.report import drawing
from lightprobe.report.page import Drawing, Page, Section, Table
from lightprobe.report.words import count, interval, megabytes, points, seconds

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
    sentences = [sentence, *_level(rows), *_against_gradients(rows)]
    return Section("Side by side", sentences, [_drawing(rows), _table(rows)])


def _level(rows: Sequence[Row]) -> list[str]:
    """Say which runs cannot be told apart: the interval of their paired difference has zero in it."""
    return [
        f"{row['method']} and {other} cannot be told apart on these {count(pair['n'], 'test photo')}: photo "
        f"by photo, {row['method']} is ahead by {points(pair['ci95'][0])} to {points(pair['ci95'][1])} (95 % "
        "interval)."
        for row in rows
        for other, pair in row.get("against", {}).items()
        if pair["ci95"][0] <= 0 <= pair["ci95"][1]
    ]


def _against_gradients(rows: Sequence[Row]) -> list[str]:
    """Hold the closed form against each method by gradients, where `compare` timed them."""
    timed = {row["method"]: row for row in rows if "seconds_to_99" in row}
    if "optical" not in timed:
        return []
    ours = timed.pop("optical")
    said = []
    for method, row in timed.items():
        ahead = points(_accuracy(ours) - _accuracy(row))
        ratio = ours["seconds_to_99"] / row["seconds_to_99"]
        share = f"{percent(ratio, 0)} of" if ratio <= 1 else f"{ratio:.2g} times"
        said.append(
            f"optical against {method}: {ahead} on {count(row['n_test'], 'test photo')}, in {share} the "
            f"{seconds(row['seconds_to_99'])} that {method} takes to 99 % of its best{_search(row)}"
        )
    return said


def _search(row: Row) -> str:
    if not row.get("search_seconds"):
        return "."
    return f" ({seconds(row['search_seconds'])} of looking for a learning rate not counted)."


@drawing.page_figure("accuracy against seconds")
def _drawing(rows: Sequence[Row]) -> Drawing:
    figure, (axes,) = drawing.new_figure()
    said = []
    for row in sorted(rows, key=_total):
        colour = drawing.SERIES[0] if row["method"] == "optical" else drawing.SERIES[1]
        low, high = row.get("test_accuracy_ci95") or (_accuracy(row), _accuracy(row))
        drawing.error_bars(axes, [_total(row)], [_accuracy(row)], [low], [high], colour)
        axes.annotate(
            _label(row, rows), (_total(row), _accuracy(row)), xytext=(8, 0), textcoords="offset points",
            color=colour, va="center", annotation_clip=False,
        )  # fmt: skip
        said.append(f"{_label(row, rows)} {percent(_accuracy(row))} in {seconds(_total(row))}")
    drawing.log_axis(axes)
    drawing.percent_axis(axes)
    axes.margins(x=0.25)
    axes.set(xlabel="seconds", ylabel="accuracy")
    return drawing.as_svg(figure, f"Accuracy against seconds: {'; '.join(said)}.", "Bars are 95 % intervals.")


def _table(rows: Sequence[Row]) -> Table:
    columns: dict[str, Callable[[Row], str]] = {
        "run": lambda row: _label(row, rows),
        "left out": lambda row: percent(row.get("loo_accuracy")),
        "test": lambda row: percent(row.get("test_accuracy")),
        "95 % interval": lambda row: interval(row.get("test_accuracy_ci95")),
        "seconds": lambda row: seconds(_total(row)),
        "to 99 % of its best": lambda row: seconds(row.get("seconds_to_99")),
        "images/s": lambda row: f"{row['images_per_second']:,.0f}" if "images_per_second" in row else ABSENT,
        "memory": lambda row: megabytes(1e6 * row["peak_rss_mb"]),
        "model": lambda row: megabytes(row.get("model_bytes")),
        "photos": lambda row: f"{row['n_train'] + (row.get('n_validation') or 0):,}",
    }
    ranked = sorted(rows, key=_accuracy, reverse=True)
    cells = {name: [cell(row) for row in ranked] for name, cell in columns.items()}
    told = {name: column for name, column in cells.items() if set(column) != {ABSENT}}
    lines = [list(row) for row in zip(*told.values(), strict=True)]
    return Table("Every run, the most accurate first", list(told), lines, emphasised=0)


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
    """Seconds of a run; where methods were compared, those of training alone."""
    return float(row["train_seconds"] if "seconds_to_99" in row else row["seconds"]["total"])
