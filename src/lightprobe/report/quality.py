"""Answers become what a page shows of them: confusion, classes, calibration, photos. Pure functions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightprobe.html_text import ABSENT, percent
from lightprobe.images import data_address
from lightprobe.report import drawing
from lightprobe.report.page import Drawing, Gallery, Photo, Table
from lightprobe.report.words import count, some_of
from lightprobe.runs import (
    LEFT_OUT,
    TEST,
    Answer,
    confusion_matrix,
    heat_path,
    least_sure,
    surest_mistakes,
    thumbnail_path,
    wilson_interval,
)

MATRIX_CLASSES = 14  # more do not fit on a screen: then only the commonest confusions are listed
PAIRS = 20
BINS = 10
# A heat map is of the whole model, as leaving out a photo leaves no model to look into.
KNOWS = {LEFT_OUT: ", to the model that has learned from this photo, too", TEST: ""}
FEW = 5  # answers in a bin of the calibration figure below which it is not drawn


def confusion(answers: Sequence[Answer], classes: Sequence[str]) -> NDArray[np.int64]:
    """Count photos of class i that were called j."""
    place = {name: index for index, name in enumerate(classes)}
    labels = np.array([place[a.label] for a in answers], dtype=np.int64)
    said = np.array([place[a.answer] for a in answers], dtype=np.int64)
    return confusion_matrix(labels, said, len(classes))


def confusion_table(matrix: NDArray[np.int64], classes: Sequence[str], what: str, split: int = 0) -> Table:
    """Show the matrix; of many classes, only the pairs that are confused most.

    `split` is the number by which the page's script finds the photos of a cell.
    """
    if len(classes) > MATRIX_CLASSES:
        return _pairs_table(matrix, classes, what, split)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return Table(
        f"Rows are the true classes, columns what the model said, of {what}",
        ["is", *classes],
        [[name, *(str(n) if n else "·" for n in row)] for name, row in zip(classes, matrix, strict=True)],
        keys=[
            ["", *(f"{split} {i} {j}" if n else "" for j, n in enumerate(row))]
            for i, row in enumerate(matrix.tolist())
        ],
        shares=[[0.0, *row] for row in shares.tolist()],
    )


def _pairs_table(matrix: NDArray[np.int64], classes: Sequence[str], what: str, split: int) -> Table:
    pairs = confused_pairs(matrix, classes)[:PAIRS]
    places = [(classes.index(is_), classes.index(said)) for _, is_, said in pairs]
    return Table(
        f"The commonest confusions of {what}",
        ["is", "was called", "photos", "of the class"],
        [[is_, said, str(n), percent(n / matrix[classes.index(is_)].sum())] for n, is_, said in pairs],
        keys=[["", "", f"{split} {i} {j}", ""] for i, j in places],
    )


def confused_pairs(matrix: NDArray[np.int64], classes: Sequence[str]) -> list[tuple[int, str, str]]:
    """List (photos, class, what it was called instead), the commonest first."""
    wrong = matrix - np.diag(np.diagonal(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    return [
        (int(wrong[i, j]), classes[i], classes[j])
        for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)
    ]


def commonest_confusion(matrices: Mapping[str, NDArray[np.int64]], classes: Sequence[str]) -> str:
    """Name the pair of classes that is confused most, by those photos of which more are answered wrongly.

    That is by leave-one-out, unless test photos show more: a few mistakes say little of pairs of classes.
    """
    wrong = {name: int(matrix.sum() - np.trace(matrix)) for name, matrix in matrices.items()}
    name = max(wrong, key=lambda one: wrong[one])
    if not wrong[name]:
        return "Nothing is confused."
    (n, is_, said), *_ = confused_pairs(matrices[name], classes)
    of_class = matrices[name][classes.index(is_)].sum()
    if n == 1:
        return f"No two classes are confused more than once in {count(int(matrices[name].sum()), name[:-1])}."
    return f"Most often, {is_} is called {said}: {n:,} of the {of_class:,} {name} of {is_}."


def class_table(matrices: Mapping[str, NDArray[np.int64]], classes: Sequence[str]) -> Table:
    """Show photos, recall and precision of each class, for each kind of answer."""
    columns = [f"{what}, {name}" for name in matrices for what in ("photos", "found", "right when said")]
    rows = []
    for index, name in enumerate(classes):
        cells = [name]
        for matrix in matrices.values():
            of_class, said, right = matrix[index].sum(), matrix[:, index].sum(), matrix[index, index]
            cells += [
                str(of_class),
                percent(right / of_class) if of_class else ABSENT,
                percent(right / said) if said else ABSENT,
            ]
        rows.append(cells)
    return Table(
        "Of each class: how many photos, how many of them were found (recall), and how often the model is "
        "right when it names the class (precision)",
        ["class", *columns],
        rows,
    )


@drawing.page_figure("calibration")
def calibration_drawing(kinds: Mapping[str, Sequence[Answer]]) -> Drawing:
    """Draw how often answers are right against how sure the model was of them."""
    figure, (axes,) = drawing.new_figure(5.6, 4.4)
    axes.plot([0, 1], [0, 1], color=drawing.LINE, linewidth=1.5)
    drawn = {name: points for name, answers in kinds.items() if (points := calibration_points(answers))}
    for colour, (name, points) in zip(drawing.SERIES, drawn.items(), strict=False):
        x, y, low, high = (np.array(column) for column in zip(*points, strict=True))
        drawing.error_bars(axes, x, y, low, high, colour, linestyle="-", label=name)
        first = colour == drawing.SERIES[0]
        axes.annotate(
            name, (x[0], low[0] if first else high[0]), xytext=(0, -9 if first else 9), color=colour,
            textcoords="offset points", ha="center", va="center",
        )  # fmt: skip
    axes.annotate(
        "as sure as right", (0.04, 0.04), xytext=(10, -2), textcoords="offset points", color=drawing.INK
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="how sure the model was", ylabel="how often it was right")
    drawing.percent_axis(axes, "x")
    drawing.percent_axis(axes)
    said = "; ".join(
        f"{name}: " + ", ".join(f"{percent(x, 0)} sure, {percent(y, 0)} right" for x, y, _, _ in points)
        for name, points in drawn.items()
    )
    return drawing.as_svg(figure, f"How often answers are right against how sure the model was. {said}.",
                  "Bars are 95 % intervals (Wilson); a point stands for a tenth of the scale.")  # fmt: skip


def calibration_points(answers: Sequence[Answer]) -> list[tuple[float, float, float, float]]:
    """Mean probability, share right and its 95 % interval, for each tenth with more than a few answers.

    None may have, with few answers in all: then there are no points.
    """
    sure = np.array([a.probability for a in answers])
    right = np.array([a.right for a in answers])
    which = np.minimum((sure * BINS).astype(int), BINS - 1)
    points = []
    for number in np.unique(which):
        inside = which == number
        n, k = int(inside.sum()), int(right[inside].sum())
        if n >= FEW:
            low, high = wilson_interval(k, n)
            points.append((float(sure[inside].mean()), k / n, low, high))
    return points


def galleries(
    run: Path, answers: Sequence[Answer], what: str, numbers: Mapping[tuple[str, str], int]
) -> list[Gallery]:
    """Show the surest mistakes and the least sure answers that have a thumbnail, with their numbers."""
    kinds = {
        f"The surest mistakes on {what}": surest_mistakes(answers),
        f"The least sure answers on {what}": least_sure(answers),
    }
    shown = ((caption, _photos(run, picked, numbers)) for caption, picked in kinds.items())
    return [Gallery(caption, photos) for caption, photos in shown if photos]


def _photos(run: Path, answers: Sequence[Answer], numbers: Mapping[tuple[str, str], int]) -> list[Photo]:
    photos = []
    for answer in answers:
        path, heat = thumbnail_path(run, answer.path), heat_path(run, answer.path)
        if path.is_file():
            drawn = not answer.right and heat.is_file()
            photos.append(
                Photo(
                    data_address(path.read_bytes()),
                    _verdict(answer),
                    answer.path,
                    numbers[answer.split, answer.path],
                    data_address(heat.read_bytes()) if drawn else "",
                    f"red speaks for {answer.answer}, blue against{KNOWS[answer.split]}",
                )
            )
    return photos


def _verdict(answer: Answer) -> str:
    sure = percent(min(answer.probability, 0.9999), 0 if answer.probability < 0.99 else 1)
    if answer.right:
        return f"✓ {answer.answer}, {sure} (or {answer.second}, {percent(answer.second_probability, 0)})"
    return f"✗ is {answer.label}, called {answer.answer}, {sure}"


def data_warnings(answers: Sequence[Answer], n_skipped: int) -> list[str]:
    """Say what about the training photos may mislead."""
    counts = Counter(a.label for a in answers)
    warnings = []
    if n_skipped:
        warnings.append(f"{count(n_skipped, 'file')} could not be used: skipped.csv says which, and why.")
    if counts:
        small = [f"{name} ({n})" for name, n in counts.items() if n < 20]
        if small:
            warnings.append(f"Few training photos, so figures about them are loose: {some_of(small)}.")
        (most, n_most), (least, n_least) = counts.most_common()[0], counts.most_common()[-1]
        if n_most > 5 * n_least:
            warnings.append(
                f"{most} has {n_most / n_least:.0f} times as many photos as {least}: overall accuracy says "
                "little about the smaller classes; see each class below."
            )
    return warnings
