"""Precision: accuracy, seconds and bytes of each arithmetic."""

from collections.abc import Sequence

from lightprobe.html_text import ABSENT, percent
from lightprobe.report.drawing import as_svg, bars, new_figure, page_figure
from lightprobe.report.page import Drawing, Section, Table
from lightprobe.report.studies.rows import Row, accuracy, accuracy_name, scored
from lightprobe.report.words import interval, megabytes, points, seconds


def section(rows: Sequence[Row]) -> Section:
    """Say what each precision costs against fp32."""
    usable = scored(rows)
    base = next((row for row in usable if row["configuration"]["precision"] == "fp32"), usable[0])
    others = [
        f"{row['precision']} {points(accuracy(row) - accuracy(base))} at {_faster(row, base)} the speed and "
        f"{percent(row['weight_bytes'] / base['weight_bytes'], 0)} of the weights' bytes"
        for row in usable
        if row is not base
    ]
    sentences = [
        f"Against fp32 ({percent(accuracy(base))}): {'; '.join(others)}." if others else "Only fp32 ran."
    ]
    if base.get("test_accuracy_ci95"):
        sentences.append(
            f"The 95 % interval of fp32's accuracy is {interval(base['test_accuracy_ci95'])}: "
            "smaller differences need more test photos to be told from chance."
        )
    return Section("Precision of the network", sentences, [_table(rows)], figures=[_drawing(usable)])


def _faster(row: Row, base: Row) -> str:
    return f"{base['seconds']['features'] / row['seconds']['features']:.2g} times"


@page_figure("seconds and accuracy by precision")
def _drawing(rows: Sequence[Row]) -> Drawing:
    figure, (axes,) = new_figure(6.0, 0.7 + 0.45 * len(rows))
    texts = [f"{seconds(row['seconds']['features'])}, {percent(accuracy(row))}" for row in rows]
    bars(axes, [row["precision"] for row in rows], [row["seconds"]["features"] for row in rows], texts)
    said = "; ".join(f"{row['precision']} {text}" for row, text in zip(rows, texts, strict=True))
    caption = f"Seconds of looking at the training photos, decoding included, and {accuracy_name(rows)}."
    return as_svg(figure, f"Seconds of looking and accuracy: {said}.", caption)


def _table(rows: Sequence[Row]) -> Table:
    columns = ["precision", "left out", "test", "looking", "in all", "weights", "R² with fp32"]
    cells = []
    for row in rows:
        if row.get("dropped"):
            cells.append([row["configuration"]["precision"], *[ABSENT] * 5, "not available here"])
            continue
        spent = [seconds(row["seconds"][stage]) for stage in ("features", "total")]
        agreement = ABSENT if row["agreement"] is None else f"{row['agreement']:.4f}"
        scores = [percent(row["loo_accuracy"]), percent(row["test_accuracy"])]
        cells.append([row["precision"], *scores, *spent, megabytes(row["weight_bytes"]), agreement])
    return Table("What each precision gives and takes", columns, cells)
