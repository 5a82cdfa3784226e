"""Backbones: accuracy against seconds, and what adding kernels brings."""

from collections.abc import Sequence

from lightprobe.report.drawing import SERIES, as_svg, error_bars, log_axis, new_figure, percent_axis
from lightprobe.report.page import Drawing, Section, Table
from lightprobe.report.studies.rows import Row, accuracy, accuracy_name
from lightprobe.report.words import ABSENT, megabytes, percent, points, seconds

Z95 = 1.96


def section(rows: Sequence[Row]) -> Section:
    """Say which network is best, and whether several are better."""
    alone = [row for row in rows if "against" not in row]
    together = [row for row in rows if "against" in row]
    best = max(alone, key=accuracy)
    total = seconds(best["seconds"]["total"])
    sentences = [f"{best['backbone']} is best alone: {percent(accuracy(best))} in {total}."]
    if together:
        top = max(together, key=lambda row: float(row["loo_accuracy"]))
        sentences.append(
            f"Added kernels: {top['backbone']} reach {percent(accuracy(top))}. "
            f"Against {top['against']} alone that is {_gain(top, 'loo')} left out"
            + (f" and {_gain(top, 'test')} in the test" if "test_gain" in top else "")
            + " (95 % intervals, photo by photo)."
        )  # fmt: skip
    return Section("Networks, alone and together", sentences, [_table(rows)], figures=[_drawing(rows)])


def _gain(row: Row, name: str) -> str:
    gain, error = row[f"{name}_gain"], Z95 * row[f"{name}_gain_se"]
    return f"{points(gain)} (± {100 * error:.1f})"


def _drawing(rows: Sequence[Row]) -> Drawing:
    figure, (axes,) = new_figure(6.4, 4.0)
    said = []
    for row in rows:
        colour = SERIES[1] if "against" in row else SERIES[0]
        x, y = row["seconds"]["total"], accuracy(row)
        low, high = row.get("test_accuracy_ci95") or (y, y)
        error_bars(axes, [x], [y], [low], [high], colour)
        axes.annotate(
            row["backbone"].replace(" + ", " +\n"), (x, y), xytext=(8, 0), textcoords="offset points",
            color=colour, va="center", fontsize=10,
        )  # fmt: skip
        said.append(f"{row['backbone']} {percent(y)} in {seconds(x)}")
    log_axis(axes)
    percent_axis(axes)
    axes.margins(x=0.1)
    axes.set_xlim(right=axes.get_xlim()[1] * 1.9)
    axes.set(xlabel="seconds of training, looking included", ylabel=accuracy_name(rows))
    return as_svg(figure, f"Accuracy against seconds: {'; '.join(said)}.",
                  "Blue: a network alone. Orange: kernels added. Bars are 95 % intervals.")  # fmt: skip


def _table(rows: Sequence[Row]) -> Table:
    columns = ["networks", "left out", "test", "gain, left out", "gain, test", "looking", "in all", "weights"]
    cells = [
        [
            row["backbone"],
            percent(row["loo_accuracy"]),
            percent(row["test_accuracy"]),
            *(_gain(row, name) if f"{name}_gain" in row else ABSENT for name in ("loo", "test")),
            seconds(row["seconds"]["features"]),
            seconds(row["seconds"]["total"]),
            megabytes(row["weight_bytes"]),
        ]
        for row in rows
    ]
    return Table(
        "Gains are against the network of the sum that is best alone, with 95 % intervals", columns, cells
    )
