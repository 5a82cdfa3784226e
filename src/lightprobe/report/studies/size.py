"""Size: accuracy against the number of training photos, and what more of them would bring."""

from collections.abc import Mapping, Sequence

import numpy as np

from lightprobe.html_text import percent
from lightprobe.report import drawing
from lightprobe.report.page import Drawing, Section, Table
from lightprobe.report.studies.curve import Curve, fit_curve
from lightprobe.report.studies.rows import (
    Row,
    accuracy,
    accuracy_name,
    arm,
    closed_form,
    given,
    grouped,
    mean,
)
from lightprobe.report.words import count, interval, points

AHEAD = 4  # times the photos there are, that the curve is drawn to


def section(rows: Sequence[Row]) -> Section:
    """Say what more photos would bring and, with groups, how many views of a thing suffice."""
    closed = closed_form(rows)
    shares = [row for row in closed if "share" in row["configuration"]]
    views = [row for row in closed if "views" in row["configuration"]]
    others = grouped((row for row in rows if row["method"] != "optical"), arm)
    curve = _curve(shares)
    sentences = [_start(shares), *_ahead(curve), *_methods(rows, others)]
    beside = {
        method: [row for row in same if "share" in row["configuration"]] for method, same in others.items()
    }
    drawings = [_drawing(shares, curve, beside)]
    tables = [
        _table(shares, "share", "Subsets of the photos: means over the draws, and the range of the draws")
    ]
    for method, same in beside.items():
        tables.append(_table(same, "share", f"The same subsets by {method}"))
    if views:
        sentences.append(_views(views))
        drawings.append(_views_drawing(views))
        tables.append(_table(views, "views", "Photos of each thing: means over the draws, and their range"))
    return Section("How many photos", sentences, tables, figures=drawings)


def _by_n(rows: Sequence[Row]) -> dict[float, list[Row]]:
    """Rows of one share differ by a photo or two in number: they count as of their mean."""
    by_share = grouped(rows, lambda row: row["configuration"]["share"])
    return {mean(map(given, same)): same for _, same in sorted(by_share.items())}


def _curve(rows: Sequence[Row]) -> Curve | None:
    asked = rows[0]["n_test"] or max(map(given, rows))
    return fit_curve({n: [1 - accuracy(row) for row in same] for n, same in _by_n(rows).items()}, asked)


def _start(rows: Sequence[Row]) -> str:
    by_n = _by_n(rows)
    least, most = min(by_n), max(by_n)
    unit = " (whole groups are drawn)" if rows[0].get("n_groups") else ""
    if least == most:
        said = percent(mean(map(accuracy, by_n[most])))
        return f"All {most:,.0f} photos give {said}; they are too few to draw parts of them."
    return (
        f"{least:,.0f} photos give {percent(mean(map(accuracy, by_n[least])))}, all {most:,.0f} give "
        f"{percent(mean(map(accuracy, by_n[most])))}{unit}."
    )


def _ahead(curve: Curve | None) -> list[str]:
    if curve is None:
        return []
    said = []
    for times, word in ((2, "Twice"), (4, "four times")):
        gain, low, high = curve.gain(times * curve.largest)
        said.append(
            f"{word} as many would bring {points(gain)} (95 % interval {points(low)} to {points(high)})"
        )
    a, b, c = curve.parameters
    return [
        f"{'; '.join(said)}, if they are of the same kind. Fitted: error = {100 * a:.2g} % + {100 * b:.2g} % "
        f"· (n / {curve.largest:,.0f})^−{c:.2g}; the interval says how far the draws agree, not whether the "
        "curve holds beyond them."
    ]


def _methods(rows: Sequence[Row], others: Mapping[str, Sequence[Row]]) -> list[str]:
    """Compare each method by gradients with the closed form on the subsets that both were given."""
    ours = {_drawn(row): row for row in closed_form(rows)}
    said = []
    for method, same in others.items():
        pairs = grouped(
            [(ours[_drawn(row)], row) for row in same if _drawn(row) in ours], lambda pair: given(pair[0])
        )
        gains = ", ".join(
            f"{points(mean(accuracy(a) - accuracy(b) for a, b in of_n))} with {n:,} photos"
            for n, of_n in sorted(pairs.items())
        )
        both = [pair for of_n in pairs.values() for pair in of_n]
        if not both:
            continue
        times = [b["seconds"]["total"] / a["seconds"]["total"] for a, b in both]
        said.append(
            f"Against {method} on the same photos the closed form is ahead by {gains}; {method} takes "
            f"{min(times):.3g} to {max(times):.3g} times as long."
        )
    return said


def _drawn(row: Row) -> str:
    """Name the subset that a row's photos are."""
    configuration = row["configuration"]
    return str([configuration.get(key) for key in ("share", "views", "draw")])


@drawing.page_figure("accuracy against the number of photos")
def _drawing(rows: Sequence[Row], curve: Curve | None, beside: Mapping[str, Sequence[Row]]) -> Drawing:
    figure, (axes,) = drawing.new_figure(6.2, 4.2)
    by_n = _by_n(rows)
    numbers = list(by_n)
    ends, said = [], []
    tested = rows[0]["test_accuracy"] is not None
    lines = [("left out", "loo_accuracy"), *([("test", "test_accuracy")] if tested else [])]
    for colour, (name, key) in zip((drawing.SERIES[0], drawing.SERIES[1]), lines, strict=False):
        scores = {n: [row[key] for row in same] for n, same in by_n.items()}
        style = "" if curve is not None and key == lines[-1][1] else "-"
        centre = drawing.spread(axes, scores, colour, ls=style)
        ends.append((numbers[-1], centre[-1], name, colour))
        said.append(f"{name} from {percent(centre[0])} to {percent(centre[-1])}")
    for colour, (method, same) in zip(drawing.SERIES[len(lines) :], beside.items(), strict=False):
        scores_of = {n: list(map(accuracy, of_n)) for n, of_n in _by_n(same).items()}
        centre = drawing.spread(axes, scores_of, colour, ls="-")
        ends.append((numbers[-1], centre[-1], f"{method}, test", colour))
        said.append(f"{method} on test photos from {percent(centre[0])} to {percent(centre[-1])}")
    if curve is not None:
        colour = drawing.SERIES[len(lines) - 1]
        along = np.geomspace(numbers[0], AHEAD * numbers[-1], 80)
        low, high = curve.band(along)
        beyond = along >= numbers[-1]
        axes.plot(along[~beyond], 1 - curve.error(along[~beyond]), color=colour)
        axes.plot(along[beyond], 1 - curve.error(along[beyond]), color=colour, linestyle=":")
        axes.fill_between(along, 1 - high, 1 - low, color=colour, alpha=0.16, linewidth=0)
        axes.axvline(numbers[-1], color=drawing.MUTED, linewidth=1, linestyle=":")
    ticks = (10, 30, 100, 300, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5)
    drawing.log_axis(axes, ticks=[n for n in ticks if numbers[0] / 2 < n < 5 * numbers[-1]])
    drawing.percent_axis(axes)
    axes.set(xlabel="training photos", ylabel="accuracy")
    drawing.label_ends(axes, ends)
    return drawing.as_svg(
        figure,
        f"Accuracy against {numbers[0]:,.0f} to {numbers[-1]:,.0f} training photos: {'; '.join(said)}.",
        "Bars span the draws. The curve is fitted, its band a 95 % interval; dotted where no photos are.",
    )


def _views(rows: Sequence[Row]) -> str:
    by_views = {n: mean(map(accuracy, same)) for n, same in sorted(_views_of(rows).items())}
    most = max(by_views)
    enough = next(n for n, score in by_views.items() if score >= by_views[most] - 0.01)
    each = ", ".join(f"{n}: {percent(score)}" for n, score in by_views.items())
    return (
        f"By photos of each thing, {each}. {count(enough, 'photo')} of each "
        f"{'comes' if enough == 1 else 'come'} within a point of all {most}."
    )


def _views_of(rows: Sequence[Row]) -> dict[int, list[Row]]:
    return grouped(rows, lambda row: row["configuration"]["views"])


@drawing.page_figure("accuracy by photos of each thing")
def _views_drawing(rows: Sequence[Row]) -> Drawing:
    figure, (axes,) = drawing.new_figure(5.6, 3.6)
    scores = {n: list(map(accuracy, same)) for n, same in sorted(_views_of(rows).items())}
    centre = drawing.spread(axes, scores, drawing.SERIES[0])
    axes.set_xticks(list(scores))
    drawing.percent_axis(axes)
    axes.set(xlabel="photos of each thing", ylabel=accuracy_name(rows))
    said = ", ".join(f"{n}: {percent(score)}" for n, score in zip(scores, centre, strict=True))
    return drawing.as_svg(figure, f"Accuracy by photos of each thing: {said}.", "Bars span the draws.")


def _table(rows: Sequence[Row], key: str, caption: str) -> Table:
    cells = []
    for value, same in grouped(rows, lambda row: row["configuration"][key]).items():
        scores = [accuracy(row) for row in same]
        tests = [row["test_accuracy"] for row in same if row["test_accuracy"] is not None]
        cells.append(
            [
                percent(value, 0) if key == "share" else str(value),
                f"{mean(map(given, same)):,.0f}",
                str(len(same)),
                _left_out(same),
                percent(mean(tests) if tests else None),
                interval((min(scores), max(scores))),
            ]
        )
    return Table(caption, [key, "photos", "draws", "left out", "test", "range"], cells)


def _left_out(rows: Sequence[Row]) -> str:
    scores = [row["loo_accuracy"] for row in rows if row["loo_accuracy"] is not None]
    return percent(mean(scores) if scores else None)
