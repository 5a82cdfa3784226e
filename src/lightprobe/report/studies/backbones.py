"""Backbones: accuracy against seconds, and what adding kernels brings."""

from collections.abc import Sequence

from lightprobe.html_text import ABSENT, percent
from lightprobe.report.drawing import INK, SERIES, as_svg, new_figure, page_figure, percent_axis
from lightprobe.report.page import Drawing, Section, Table
from lightprobe.report.studies.rows import Row, accuracy, accuracy_name
from lightprobe.report.words import megabytes, points, seconds

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


@page_figure("accuracy and seconds by network")
def _drawing(rows: Sequence[Row]) -> Drawing:
    """Draw accuracy and seconds side by side, a line a network or sum, the quickest on top."""
    by_time = sorted(rows, key=lambda row: float(row["seconds"]["total"]), reverse=True)
    figure, (left, right) = new_figure(6.2, 1.0 + 0.56 * len(rows), columns=2)
    said = []
    for place, row in enumerate(by_time):
        colour = SERIES[1] if "against" in row else SERIES[0]
        took, y = row["seconds"]["total"], accuracy(row)
        low, high = row.get("test_accuracy_ci95") or (y, y)
        left.plot([low, high], [place, place], color=colour, linewidth=1.4)
        left.plot([y], [place], color=colour, marker="o")
        right.barh(place, took, color=colour, height=0.55)
        right.text(took, place, f"  {seconds(took)}", va="center", color=INK)
        said.append(f"{row['backbone']} {percent(y)} in {seconds(took)}")
    left.set_yticks(range(len(by_time)), [row["backbone"].replace(" + ", " +\n") for row in by_time])
    percent_axis(left, "x")
    left.set_xlabel(accuracy_name(rows).replace(" on ", "\non "))
    for axes in (left, right):  # the same lines in both
        axes.set_ylim(-0.6, len(by_time) - 0.4)
    right.set_yticks([])
    right.grid(visible=False)
    right.xaxis.set_ticks([])
    right.spines["bottom"].set_visible(False)
    right.set_xlabel("seconds of training")
    right.set_xlim(0, 1.25 * max([*(row["seconds"]["total"] for row in rows), 1e-12]))
    return as_svg(figure, f"Accuracy and seconds: {'; '.join(reversed(said))}.",
                  "Blue: a network alone. Orange: kernels added. Lines are 95 % intervals.")  # fmt: skip


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
