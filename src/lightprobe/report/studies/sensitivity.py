"""Sensitivity: how far accuracy moves with each setting."""

from collections.abc import Sequence

from lightprobe.html_text import percent
from lightprobe.report.drawing import MUTED, SERIES, as_svg, new_figure, page_figure, percent_axis
from lightprobe.report.page import Drawing, Section, Table
from lightprobe.report.studies.rows import Row, accuracy, accuracy_name, grouped, scored
from lightprobe.report.words import seconds


def section(rows: Sequence[Row]) -> Section:
    """Say what matters and what does not."""
    usable = scored(rows)
    settings = grouped(usable, lambda row: row["configuration"]["setting"])
    base = settings.pop("none", None)
    spans = {name: _span(of_setting) for name, of_setting in settings.items()}
    order = sorted(spans, key=lambda name: spans[name], reverse=True)
    said = ", ".join(f"{name} by {100 * spans[name]:.1f}" for name in order)
    sentences = [f"Over the values tried, the setting moves accuracy, in points: {said}."]
    if base is not None and base[0].get("test_accuracy_ci95"):
        low, high = base[0]["test_accuracy_ci95"]
        sentences.append(
            f"For scale: the 95 % interval of one accuracy spans {100 * (high - low):.1f} points."
        )
    drawing = _drawing({name: settings[name] for name in order}, base[0] if base else usable[0], rows)
    return Section("What matters, and what does not", sentences, [_table(rows)], figures=[drawing])


def _span(rows: Sequence[Row]) -> float:
    scores = [accuracy(row) for row in rows]
    return max(scores) - min(scores)


@page_figure("accuracy by setting")
def _drawing(settings: dict[str, list[Row]], base: Row, rows: Sequence[Row]) -> Drawing:
    figure, (axes,) = new_figure(6.2, 0.9 + 0.62 * len(settings))
    axes.axvline(accuracy(base), color=MUTED, linewidth=1.2)
    for place, of_setting in enumerate(reversed(settings.values())):
        ranked = sorted(of_setting, key=accuracy)
        scores = [accuracy(row) for row in ranked]
        axes.plot([scores[0], scores[-1]], [place, place], color=SERIES[0], linewidth=1.5)
        axes.plot(scores, [place] * len(scores), color=SERIES[0], marker="o", linestyle="")
        ends = (ranked[0], ranked[-1]) if len(ranked) > 1 and scores[0] < scores[-1] else (ranked[-1],)
        for row, side in zip(ends, (-1, 1) if len(ends) == 2 else (1,), strict=True):
            axes.annotate(
                f"{row['configuration']['value']:g}", (accuracy(row), place), xytext=(side * 8, 0),
                fontsize=10, textcoords="offset points",
                ha="right" if side < 0 else "left", va="center", color=SERIES[0],
            )  # fmt: skip
    axes.set_yticks(range(len(settings)), list(reversed(settings)))
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, len(settings) - 0.4)
    axes.margins(x=0.12)
    percent_axis(axes, "x")
    axes.set_xlabel(accuracy_name(scored(rows)))
    said = "; ".join(
        f"{name} from {percent(min(map(accuracy, of)))} to {percent(max(map(accuracy, of)))}"
        for name, of in settings.items()
    )
    return as_svg(figure, f"How far accuracy moves with each setting: {said}.",
                  "A dot a value, the lowest and the highest named; the line is accuracy with nothing moved. "
                  "A threshold is named by the share of features that it leaves at zero.")  # fmt: skip


def _table(rows: Sequence[Row]) -> Table:
    cells = [
        [
            row["configuration"]["setting"],
            f"{row['configuration']['value']:g}",
            "no fit" if row.get("dropped") else percent(row["loo_accuracy"]),
            "no fit" if row.get("dropped") else percent(row["test_accuracy"]),
            "–" if row.get("dropped") else seconds(row["seconds"]["features"]),
        ]
        for row in rows
    ]
    return Table("One setting moved at a time", ["setting", "value", "left out", "test", "looking"], cells)
