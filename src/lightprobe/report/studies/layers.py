"""Layers: accuracy and training time against the size of the model."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from lightprobe.html_text import percent
from lightprobe.report import drawing
from lightprobe.report.page import Drawing, Section, Table
from lightprobe.report.studies.rows import (
    Row,
    accuracy,
    accuracy_name,
    arm,
    closed_form,
    grouped,
    mean,
    scored,
)
from lightprobe.report.words import megabytes, points, seconds


def section(rows: Sequence[Row]) -> Section:
    """Say how small the network may be."""
    everything = scored(rows)
    usable = closed_form(everything)
    if not usable:
        return Section("Layers taken off", ["No layer could be fitted in closed form."], [_table(rows, None)])
    best = max(usable, key=accuracy)
    within = float(usable[0]["within"])
    enough = [row for row in usable if accuracy(row) >= accuracy(best) - within]
    small = min(enough, key=lambda row: int(row["model_bytes"]))
    sentences = [
        f"The best model ends at {best['cut']} ({best['kernel']} kernel): {percent(accuracy(best))} with "
        f"{megabytes(best['model_bytes'])}. The smallest within {100 * within:.3g} points of it ends at "
        f"{small['cut']} ({small['kernel']} kernel): {percent(accuracy(small))} with "
        f"{megabytes(small['model_bytes'])}, {percent(small['parameters'] / best['parameters'], 0)} of the "
        f"parameters and {percent(small['seconds']['total'] / best['seconds']['total'], 0)} of the training "
        "time.",
        *_kernels(usable),
        *_methods(everything),
    ]
    drawings = [_accuracy_drawing(everything), _time_drawing(everything)]
    return Section("Layers taken off", sentences, [_table(rows, small)], figures=drawings)


def _kernels(rows: Sequence[Row]) -> list[str]:
    """Compare the kernels layer by layer, the deeper half of the layers against the shallower."""
    by_cut = grouped(rows, lambda row: row["cut"])
    gains = [
        accuracy(pair["optical"]) - accuracy(pair["linear"])
        for pair in ({row["kernel"]: row for row in of_cut} for of_cut in by_cut.values())
        if len(pair) == 2
    ]
    if len(gains) < 2:
        return []
    half = len(gains) // 2
    return [
        f"The optical kernel is ahead of the linear one at {sum(gain > 0 for gain in gains)} of {len(gains)} "
        f"layers: by {points(mean(gains[:half]))} on average in the deeper half, "
        f"{points(mean(gains[half:]))} in the rest."
    ]


def _methods(rows: Sequence[Row]) -> list[str]:
    """Compare each method by gradients with the closed form, cut by cut."""
    closed: dict[str, Row] = {}
    for row in closed_form(rows):
        if row["kernel"] == closed.get(row["cut"], row)["kernel"] or row["kernel"] == "optical":
            closed[row["cut"]] = row
    said = []
    for method, same in grouped((row for row in rows if row["method"] != "optical"), arm).items():
        pairs = [(closed[row["cut"]], row) for row in same if row["cut"] in closed]
        if not pairs:
            continue
        gains = [accuracy(ours) - accuracy(theirs) for ours, theirs in pairs]
        times = [theirs["seconds"]["total"] / ours["seconds"]["total"] for ours, theirs in pairs]
        cuts = ", ".join(
            f"{theirs['cut']} {points(gain)}" for gain, (_, theirs) in zip(gains, pairs, strict=True)
        )
        said.append(
            f"The {arm(pairs[0][0])} against {method} on the same layers, the deepest first: {cuts}; "
            f"{method} takes {min(times):.3g} to {max(times):.3g} times as long."
        )
    return said


def _lines(axes: Axes, rows: Sequence[Row], value: Callable[[Row], float]) -> dict[str, list[float]]:
    """Draw a value against the size of the model, a line an arm, named at its end; return the values."""
    ends, values = [], {}
    for colour, (name, of_arm) in zip(drawing.SERIES, grouped(rows, arm).items(), strict=False):
        line = sorted(of_arm, key=lambda row: int(row["parameters"]))
        sizes, values[name] = [row["model_bytes"] / 1e6 for row in line], list(map(value, line))
        axes.plot(sizes, values[name], color=colour, marker="o")
        ends.append((sizes[-1], values[name][-1], name, colour))
    drawing.log_axis(axes)
    axes.set_xlim(right=axes.get_xlim()[1] * 1.6)
    drawing.label_ends(axes, ends)
    return values


@drawing.page_figure("accuracy against the size of the model")
def _accuracy_drawing(rows: Sequence[Row]) -> Drawing:
    figure, (axes,) = drawing.new_figure()
    drawing.percent_axis(axes)
    axes.set(xlabel="size of the model, MB (network and head, fp32)", ylabel=accuracy_name(rows))
    lines = _lines(axes, rows, accuracy)
    said = "; ".join(f"{name} from {percent(of[0])} to {percent(of[-1])}" for name, of in lines.items())
    return drawing.as_svg(figure, f"Accuracy against the size of the model, a point a layer: {said}.")


@drawing.page_figure("seconds against the size of the model")
def _time_drawing(rows: Sequence[Row]) -> Drawing:
    figure, (axes,) = drawing.new_figure(6.0, 3.0)
    times = [row["seconds"]["total"] for row in rows]
    axes.set(xlabel="size of the model, MB", ylabel="seconds of training")
    axes.set_ylim(0, 1.05 * max(times))
    if any(row["method"] != "optical" for row in rows):
        axes.set_ylim(min(times) / 1.5, 1.5 * max(times))
        drawing.log_axis(axes, "y")
    _lines(axes, rows, lambda row: float(row["seconds"]["total"]))
    axes.tick_params(colors=drawing.MUTED)
    return drawing.as_svg(
        figure,
        f"Training takes {seconds(min(times))} to {seconds(max(times))}, by size of the model.",
        "Decoding, the network up to the layer (timed by itself), and the fit.",
    )


def _table(rows: Sequence[Row], small: Row | None) -> Table:
    columns = ["ends at", "with", "parameters", "fp32", "fp16", "int8", "left out", "test", "training"]
    cells = []
    for row in rows:
        if row.get("dropped"):
            cells.append([row["cut"], arm(row), f"{row['parameters']:,}", *["–"] * 5, "no fit"])
            continue
        sizes = [megabytes(row["bytes"][name]) for name in ("fp32", "fp16", "int8")]
        scores = [percent(row["loo_accuracy"]), percent(row["test_accuracy"])]
        total = seconds(row["seconds"]["total"])
        cells.append([row["cut"], arm(row), f"{row['parameters']:,}", *sizes, *scores, total])
    return Table(
        "Every layer, the deepest first; sizes are of network and head, the network at each precision",
        columns,
        cells,
        emphasised=None if small is None else list(rows).index(small),
    )
