"""Projection: accuracy, seconds and memory against the number of random features."""

from collections.abc import Sequence

from lightprobe.html_text import percent
from lightprobe.report import drawing
from lightprobe.report.page import Drawing, Section, Table
from lightprobe.report.studies.rows import Row, accuracy, accuracy_name, grouped, mean
from lightprobe.report.words import megabytes, points, seconds

CLOSE = 0.005  # of accuracy: half a point


def section(rows: Sequence[Row]) -> Section:
    """Say how many random features it takes, and what their kind and the camera change."""
    exact = next((row for row in rows if row["components"] == "exact"), None)
    random = [row for row in rows if row["components"] != "exact"]
    kinds = grouped(random, _kind)
    sentences = []
    m = rows[0]["n_features"]
    plain = kinds.get("structured", [])
    by_k = {k: mean(map(accuracy, of_k)) for k, of_k in sorted(grouped(plain, _k).items())}
    if exact is not None and by_k:
        enough = [k for k, score in by_k.items() if score >= accuracy(exact) - CLOSE]
        reach = f"from k = {enough[0]:,} on ({enough[0] / m:.3g} m)" if enough else "at none of these k"
        nearest = min(by_k, key=lambda k: abs(k - m))
        most, least = max(by_k), min(by_k)
        sentences.append(
            f"Against the exact limit ({percent(accuracy(exact))}), random features made from {m:,} features "
            f"change accuracy by {points(by_k[least] - accuracy(exact))} with {least:,} of them, "
            f"{points(by_k[nearest] - accuracy(exact))} with {nearest:,} and "
            f"{points(by_k[most] - accuracy(exact))} with {most:,}; within half a point {reach}."
        )
    sentences += _differences(kinds)
    return Section(
        "Random features",
        sentences,
        [_table(rows)],
        figures=[_accuracy_drawing(kinds, exact, m), _time_drawing(kinds)] if kinds else [],
    )


def _k(row: Row) -> int:
    return int(row["components"])


def _kind(row: Row) -> str:
    return f"{row['projection']}{', 8-bit camera' if row['camera'] else ''}"


def _differences(kinds: dict[str, list[Row]]) -> list[str]:
    """Compare kinds at the same numbers of features."""
    sentences = []
    for what, one, other in (
        ("Structured features differ from dense ones", "structured", "dense"),
        ("The 8-bit camera changes structured features", "structured, 8-bit camera", "structured"),
        ("The 8-bit camera changes dense features", "dense, 8-bit camera", "dense"),
    ):
        ours, theirs = (grouped(kinds.get(kind, []), _k) for kind in (one, other))
        gains = [mean(map(accuracy, ours[k])) - mean(map(accuracy, theirs[k])) for k in ours if k in theirs]
        if gains:
            sentences.append(
                f"{what} by {points(mean(gains))} on average of {len(gains)} numbers of features "
                f"(from {points(min(gains))} to {points(max(gains))})."
            )
    return sentences


@drawing.page_figure("accuracy against random features")
def _accuracy_drawing(kinds: dict[str, list[Row]], exact: Row | None, m: int) -> Drawing:
    figure, (axes,) = drawing.new_figure(6.4, 4.2)
    ends, said = [], []
    for colour, (kind, of_kind) in zip(drawing.SERIES, kinds.items(), strict=False):
        by_k = sorted(grouped(of_kind, _k).items())
        numbers = [k for k, _ in by_k]
        scores = {k: list(map(accuracy, of_k)) for k, of_k in by_k}
        centre = drawing.spread(axes, scores, colour, ls="--" if "camera" in kind else "-")
        ends.append((numbers[-1], centre[-1], kind, colour))
        said.append(
            f"{kind}: {percent(centre[0])} with {numbers[0]:,}, {percent(centre[-1])} with {numbers[-1]:,}"
        )
    if exact is not None:
        axes.axhline(accuracy(exact), color=drawing.INK, linewidth=1.2)
        axes.annotate(
            "exact limit", (0.01, accuracy(exact)), xycoords=("axes fraction", "data"), xytext=(0, 6),
            textcoords="offset points", color=drawing.INK,
        )  # fmt: skip
    axes.axvline(m, color=drawing.MUTED, linewidth=1, linestyle=":")
    drawing.log_axis(axes)
    drawing.percent_axis(axes)
    axes.annotate(
        "k = m", (m, 0.02), xycoords=("data", "axes fraction"), xytext=(5, 0),
        textcoords="offset points", color=drawing.MUTED,
    )  # fmt: skip
    first = next(iter(kinds.values()))
    axes.set(xlabel="random features k", ylabel=accuracy_name(first))
    axes.set_xlim(right=axes.get_xlim()[1] * 9)
    drawing.label_ends(axes, ends)
    return drawing.as_svg(figure, f"Accuracy against the number of random features. {'; '.join(said)}.",
                  "Bars span the seeds of R.")  # fmt: skip


@drawing.page_figure("seconds against random features")
def _time_drawing(kinds: dict[str, list[Row]]) -> Drawing:
    figure, (axes,) = drawing.new_figure(6.4, 3.2)
    ends = []
    for colour, (kind, of_kind) in zip(drawing.SERIES, kinds.items(), strict=False):
        by_k = sorted(grouped(of_kind, _k).items())
        times = [mean(_head_seconds(row) for row in of_k) for _, of_k in by_k]
        axes.plot([k for k, _ in by_k], times, color=colour, marker="o", ls="--" if "camera" in kind else "-")
        ends.append((by_k[-1][0], times[-1], kind, colour))
    drawing.log_axis(axes)
    drawing.log_axis(axes, "y")
    axes.set(xlabel="random features k", ylabel="seconds without looking")
    axes.set_xlim(right=axes.get_xlim()[1] * 9)
    drawing.label_ends(axes, ends)
    said = "; ".join(f"{kind} {seconds(time)} with {k:,}" for k, time, kind, _ in ends)
    return drawing.as_svg(figure, f"Seconds of making, projecting and fitting: {said}.",
                  "Making R, projecting and fitting.")  # fmt: skip


def _head_seconds(row: Row) -> float:
    return float(sum(row["seconds"][stage] for stage in ("generate", "project", "fit")))


def _table(rows: Sequence[Row]) -> Table:
    columns = ["random features", "kind", "left out", "test", "projecting", "fitting", "to solve", "matrix R"]
    cells = []
    for (k, kind), same in grouped(rows, lambda row: (row["components"], _name(row))).items():
        times = [
            mean(row["seconds"]["generate"] + row["seconds"]["project"] for row in same),
            mean(row["seconds"]["fit"] for row in same),
        ]
        tests = [row["test_accuracy"] for row in same if row["test_accuracy"] is not None]
        left_out = percent(mean(row["loo_accuracy"] for row in same))
        scores = [left_out, percent(mean(tests) if tests else None)]
        matrix = megabytes(same[0]["matrix_bytes"]) if same[0].get("matrix_bytes") else "none"
        number = str(k) if isinstance(k, str) else f"{k:,}"
        solved = megabytes(same[0]["solve_bytes"])
        cells.append([number, kind, *scores, *map(seconds, times), solved, matrix])
    return Table(
        "Means over the seeds; memory by count: what is solved, and R if it were stored", columns, cells
    )


def _name(row: Row) -> str:
    return "the limit" if row["components"] == "exact" else _kind(row)
