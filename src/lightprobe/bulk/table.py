"""A table of answers that grows row by row, and goes on where an interrupted run stopped.

Until the last row is written, the rows lie beside the target in a hidden file, whose name tells the model
and the settings they were made with: another model never continues them. Rows stand in the order of the
photos, so those that count are the longest run of rows, from the first on, whose paths are those asked for.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lightprobe.answers import Prediction
from lightprobe.bulk.rows import Form
from lightprobe.errors import DataError
from lightprobe.images import ImageSet

logger = logging.getLogger(__name__)

Answer = Callable[[ImageSet], Iterable[Prediction]]


@dataclass(frozen=True)
class Written:
    """How many rows a table has, how many of them hold an error, and how many were there before.

    Rows that were there before are not looked into: `n_failed` counts the new ones.
    """

    n: int
    n_failed: int
    n_resumed: int


class Tally:
    """Counts answers as they come.

    Attributes
    ----------
    n, n_failed : int
        Answers, and those that are errors.
    first : Prediction or None
        The first of these.
    """

    def __init__(self) -> None:
        self.n, self.n_failed = 0, 0
        self.first: Prediction | None = None

    def over(self, answer: Answer) -> Answer:
        """Return what answers as `answer` does, and is counted."""

        def counted(images: ImageSet) -> Iterator[Prediction]:
            for prediction in answer(images):
                self.n += 1
                if prediction.error:
                    self.n_failed += 1
                    self.first = self.first or prediction
                yield prediction

        return counted

    def require_one(self) -> None:
        """Raise DataError unless a photo has been answered."""
        if self.first is not None and self.n_failed == self.n:
            raise DataError(
                f"none of the {self.n} photo(s) could be answered; the first, {self.first.path}, "
                f"{self.first.error}: give other files."
            )
        if not self.n:
            raise DataError("there were no photos to answer: the list of them is empty.")


def write_table(
    target: Path, form: Form, blocks: Iterable[ImageSet], answer: Answer, settings: str
) -> Written:
    """Write a table, or the rest of it; it appears under its name only once it is whole.

    Parameters
    ----------
    target : Path
        The table; replaced if it is there.
    form : Form
    blocks : iterable of ImageSet
        The photos.
    answer : callable
        From photos to one answer each, in their order.
    settings : str
        Whatever makes the same photo have another answer.
    """
    mark = hashlib.blake2b(settings.encode(), digest_size=6).hexdigest()
    partial = target.with_name(f".{target.name}.{mark}.partial")
    partial.touch()
    with partial.open("r+b") as file:
        written = _continue(file, form, blocks, answer)
    partial.replace(target)
    return written


def write_rows(
    file: IO[bytes], form: Form, blocks: Iterable[ImageSet], answer: Answer, written: Written | None = None
) -> Written:
    """Write rows where nothing can be taken back, without the header if some are `written`."""
    if written is None:
        written = Written(0, 0, 0)
        file.write(_encoded(form.header()))
    n, n_failed = written.n, written.n_failed
    for images in blocks:
        for prediction in answer(images):
            file.write(_encoded(form.line(prediction)))
            n += 1
            n_failed += bool(prediction.error)
    return Written(n, n_failed, written.n_resumed)


def _continue(file: IO[bytes], form: Form, blocks: Iterable[ImageSet], answer: Answer) -> Written:
    rows = _Rows(file)
    known = form.paths(rows)
    # Asking for the first row reads the header, too: what stands before it is kept only with it.
    expected = next(known, None)
    end = rows.offset
    remaining = iter(blocks)
    n, rest, kept = 0, [], 0
    for images in remaining:
        position = 0
        while expected is not None and position < len(images) and expected == images.paths[position]:
            position, kept = position + 1, end
            expected = next(known, None)
            end = rows.offset
        n += position
        if position < len(images):
            rest = [images.select(range(position, len(images)))]
            break
    file.seek(kept)
    file.truncate()
    if n:
        logger.warning("The first %d answers are those of the run that was interrupted.", n)
    chained = (images for part in (rest, remaining) for images in part)
    return write_rows(file, form, chained, answer, Written(n, 0, n) if n else None)


class _Rows:
    """The whole lines of a binary file as text, and how many bytes those that were taken have."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.offset = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            if not line.endswith(b"\n"):
                return
            self.offset += len(line)
            yield line.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
