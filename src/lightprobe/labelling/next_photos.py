"""The photos to label next, with the figures behind their order, and as a table that takes the labels."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from lightprobe.csv_text import csv_line, read_csv, write_csv
from lightprobe.errors import OptionError
from lightprobe.images import Skipped


@dataclass(frozen=True)
class PhotoToLabel:
    """A photo without a label, and why it is asked for.

    Attributes
    ----------
    path : str
    guess, guess_2 : str or None
        What a model takes it for, the most probable class first; None without a model.
    probability, probability_2 : float or None
        Of these two.
    margin : float or None
        Their difference: the smaller, the less sure.
    novelty : float or None
        How unlike the training photos it is: the share of them that, left out, look less novel; None where
        the model cannot tell.
    nearest : float or None
        Cosine of its features to the most similar photo before it in the batch; None for the first.
    stands_for : int
        Photos that it stands for, itself among them: with a model those passed over as they repeat it,
        without one those of its cluster.
    """

    path: str
    guess: str | None = None
    probability: float | None = None
    guess_2: str | None = None
    probability_2: float | None = None
    margin: float | None = None
    novelty: float | None = None
    nearest: float | None = None
    stands_for: int = 1


@dataclass(frozen=True)
class NextPhotos:
    """What to label next.

    Attributes
    ----------
    photos : tuple of PhotoToLabel
        The one that matters most first.
    n_unlabelled : int
        Photos among which these were chosen.
    n_known : int
        Photos that were passed over as the model was trained on them, to the byte.
    n_repeated : int
        Photos that were passed over as they repeat one of `photos`.
    skipped : tuple of Skipped
        Photos that could not be decoded.
    """

    photos: tuple[PhotoToLabel, ...]
    n_unlabelled: int
    n_known: int = 0
    n_repeated: int = 0
    skipped: tuple[Skipped, ...] = ()


# An empty column for the labels: guesses are no labels, and must not be taken for any.
COLUMNS: Final = (
    "path", "label", "guess", "probability", "guess_2", "probability_2", "margin", "novelty", "nearest",
    "stands_for",
)  # fmt: skip


def check_number(n: int) -> None:
    """Refuse a number of photos below one with an OptionError."""
    if n < 1:
        raise OptionError(f"`n` is {n}; it must be 1 or more: how many photos are to be labelled.")


def as_rows(photos: Sequence[PhotoToLabel]) -> list[list[Any]]:
    """Return the cells of each photo's row, by COLUMNS."""
    told = [asdict(photo) | {"label": ""} for photo in photos]
    return [[_cell(one[column]) for column in COLUMNS] for one in told]


def as_csv(photos: Sequence[PhotoToLabel]) -> str:
    """Return the table as text."""
    return "".join(csv_line(row) for row in (COLUMNS, *as_rows(photos)))


def write_next(path: Path, photos: Sequence[PhotoToLabel]) -> None:
    """Write the table, in which the column `label` is empty.

    Raises
    ------
    OptionError
        As `refuse_lost_labels`.
    WriteError
        If it cannot be written.
    """
    refuse_lost_labels(path)
    write_csv(path, COLUMNS, as_rows(photos))


def refuse_lost_labels(path: Path) -> None:
    """Refuse to write over a table into which somebody has put labels, with an OptionError."""
    if path.is_file() and (n := sum(bool(row.get("label", "").strip()) for row in read_csv(path))):
        raise OptionError(
            f"{path} holds {n} labels, which would be lost: name another file, or move it away."
        )


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else value
