"""One answer, one line: CSV for spreadsheets, JSON Lines for programs."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from lightprobe.csv_text import csv_line, csv_rows
from lightprobe.images import natural_key
from lightprobe.json_text import to_json
from lightprobe.photo_model import Prediction, as_record


class Form(Protocol):
    """How answers stand in a file, and how the photos that have one are found in it again."""

    def header(self) -> str:
        """Return what comes before the first answer."""
        ...

    def line(self, answer: Prediction) -> str:
        """Return an answer's text, its line end included."""
        ...

    def paths(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the photo of every whole answer in a file's lines, up to the first that is not whole."""
        ...


class CsvForm:
    """`path,label,probability[,label_2,probability_2...],unknown,error[,labels,n_labels][,for,against,nearest]`.

    Parameters
    ----------
    top : int
        How many classes an answer names.
    coverage : bool
        Whether it holds a set of labels.
    why : bool
        Whether it names training photos that argued for it and against it, and those that are nearest.
    """

    def __init__(self, top: int, why: bool = False, coverage: bool = False) -> None:
        self._top, self._why, self._coverage = top, why, coverage
        more = [f"{column}_{k}" for k in range(2, top + 1) for column in ("label", "probability")]
        self._columns = ["path", "label", "probability", *more, "unknown", "error"]
        self._columns += ["labels", "n_labels"] if coverage else []
        self._columns += ["for", "against", "nearest"] if why else []

    def header(self) -> str:
        """Return the names of the columns."""
        return csv_line(self._columns)

    def line(self, answer: Prediction) -> str:
        """Return one row; cells without an answer are empty, and so is `unknown` where it was not asked."""
        pairs = zip(answer.labels, answer.probabilities, strict=True)
        cells = [cell for label, p in pairs for cell in (label, f"{p:.6f}")] or [""] * (2 * self._top)
        unknown = "" if answer.unknown is None else "true" if answer.unknown else "false"
        held = _label_set(answer) if self._coverage else ()
        reasons = _reasons(answer) if self._why else ()
        return csv_line([answer.path, *cells, unknown, answer.error, *held, *reasons])

    def paths(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the first column of every whole row after the header."""
        rows = csv_rows(lines)
        if next(rows, None) != self._columns:
            return
        for row in rows:
            if len(row) != len(self._columns):
                return
            yield row[0]


class JsonLinesForm:
    """One JSON object a line, as `as_record` makes it."""

    def header(self) -> str:
        """Return nothing: JSON Lines has no header."""
        return ""

    def line(self, answer: Prediction) -> str:
        """Return one object."""
        return to_json(as_record(answer)) + "\n"

    def paths(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the path of every whole object."""
        for line in lines:
            try:
                yield str(json.loads(line)["path"])
            except (ValueError, KeyError, TypeError):
                return


# How answers can be ordered: those that the model is least sure of first, without an answer last; or by name.
SORTS: dict[str, Callable[[Prediction], Any]] = {
    "confidence": lambda answer: answer.probabilities[0] if answer.probabilities else 2.0,
    "path": lambda answer: natural_key(answer.path),
}
FORMS: dict[str, Callable[[int, bool, bool], Form]] = {"csv": CsvForm, "jsonl": lambda *_: JsonLinesForm()}


def _label_set(answer: Prediction) -> list[str]:
    """Labels and how many they are, in two cells; empty ones for a photo without an answer."""
    if answer.label_set is None:
        return ["", ""]
    return ["; ".join(answer.label_set), str(len(answer.label_set))]


def _reasons(answer: Prediction) -> list[str]:
    """Training photos with their shares in the score, or cosines, in three cells."""
    if answer.why is None:
        return [""] * 3
    lists = (answer.why.arguments_for, answer.why.arguments_against, answer.why.nearest)
    return ["; ".join(f"{a.path} ({a.value:+.4f})" for a in arguments) for arguments in lists]
