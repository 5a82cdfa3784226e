"""A table of answers that grows row by row, and goes on where an interrupted run stopped.

Until the last row is written, the rows lie beside the target in a hidden file, whose name tells the model
and the settings they were made with: another model never continues them. Rows stand in the order of the
photos, so those that count are the longest run of rows, from the first on, whose paths are those asked for.
A second hidden file, the journal, holds the digest of what was read for each row: the row of a photo that is
another by now is made anew. A table that is whole is never gone on with.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from lightprobe.atomic import is_stream, not_written, put_in_place, through_links, write_whole
from lightprobe.csv_text import decoded, encoded
from lightprobe.errors import DataError, ImageError
from lightprobe.features import DIGEST_BYTES, image_digest
from lightprobe.images import ImageSet, Source
from lightprobe.locks import locked
from lightprobe.photo_model import Prediction
from lightprobe.prediction_files.formats import Form

logger = logging.getLogger(__name__)

Answer = Callable[[ImageSet], Iterable[Prediction]]
UNREADABLE = bytes(DIGEST_BYTES)
PIECE = 1 << 20  # bytes copied at a time
READERS = 8  # threads that read photos again: they wait for the disk, not for a core


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

    A device or a pipe takes the rows as they come. While another process writes the same table, this one
    waits for it; see `locked`.

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

    Raises
    ------
    WriteError, LockedError
        If it cannot be written to, or another process does not come to its end there.
    """
    try:
        if is_stream(target):
            with target.open("wb") as file:
                return write_rows(file, form, blocks, answer)
        place = through_links(target)
        with locked(place):
            return _write_file(place, form, blocks, answer, settings)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise not_written(target, error) from None


def _write_file(
    target: Path, form: Form, blocks: Iterable[ImageSet], answer: Answer, settings: str
) -> Written:
    mark = hashlib.blake2b(settings.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    partial = target.with_name(f".{target.name}.{mark}.partial")
    journal = partial.with_suffix(".journal")
    partial.touch()
    journal.touch()
    remaining = iter(blocks)
    found = _find_rows(partial, journal, form, remaining)
    stale = _remake(partial, journal, form, found, answer)
    if found.n:
        anew = f"; {stale} of their photos have changed since and are asked again" if stale else ""
        logger.warning("The first %d answers are those of the run that was interrupted%s.", found.n, anew)
    chained = (images for part in (found.rest, remaining) for images in part)
    with partial.open("r+b") as file, journal.open("r+b") as digests:
        digests.truncate(found.n * DIGEST_BYTES)
        for one in (digests, file):
            one.seek(0, os.SEEK_END)
        before = Written(found.n, 0, found.n - stale) if found.n else None
        written = write_rows(file, form, chained, _journalled(answer, digests), before)
    put_in_place(partial, target)
    journal.unlink()
    return written


def write_rows(
    file: IO[bytes], form: Form, blocks: Iterable[ImageSet], answer: Answer, written: Written | None = None
) -> Written:
    """Write rows where nothing can be taken back, without the header if some are `written`.

    The header waits for the first row: what goes wrong before it leaves nothing behind.
    """
    header = form.header() if written is None else ""
    written = written or Written(0, 0, 0)
    n, n_failed = written.n, written.n_failed
    for images in blocks:
        for prediction in answer(images):
            file.write(encoded(header))
            header = ""
            file.write(encoded(form.line(prediction)))
            n += 1
            n_failed += bool(prediction.error)
    return Written(n, n_failed, written.n_resumed)


def write_sorted(target: Path | IO[bytes], form: Form, answers: Iterable[Prediction]) -> None:
    """Write answers that are all there into a file, whole or not at all, or into a stream.

    Raises
    ------
    WriteError
        If it cannot be written to.
    """
    text = encoded("".join([form.header(), *map(form.line, answers)]))
    if isinstance(target, Path):
        write_whole(target, text)
    else:
        target.write(text)


@dataclass
class _Found:
    """What an interrupted run left.

    Attributes
    ----------
    n : int
        Rows that count.
    end : int
        Bytes of the table up to the last of them.
    changed : list of (ImageSet, list of (row, first byte, byte after the last))
        Photos that are others by now, and where their rows stand.
    rest : list of ImageSet
        What was taken from the blocks and has no row.
    """

    n: int = 0
    end: int = 0
    changed: list[tuple[ImageSet, list[tuple[int, int, int]]]] = field(default_factory=list)
    rest: list[ImageSet] = field(default_factory=list)


def _find_rows(partial: Path, journal: Path, form: Form, blocks: Iterator[ImageSet]) -> _Found:
    """Find the rows that count, and among them those whose photos have changed."""
    content = journal.read_bytes()
    digests = [content[i : i + DIGEST_BYTES] for i in range(0, len(content) - DIGEST_BYTES + 1, DIGEST_BYTES)]
    found = _Found(end=len(encoded(form.header())))
    with partial.open("rb") as file:
        rows = _Rows(file)
        known = form.paths(rows)
        path = next(known, None)
        for images in blocks:
            ends = [found.end]
            for asked, _ in zip(images.paths, digests[found.n :], strict=False):
                if path != asked:
                    break
                ends.append(rows.offset)
                path = next(known, None)
            here = len(ends) - 1
            now = _digests(images, here)
            stale = [i for i in range(here) if now[i] != digests[found.n + i]]
            if stale:
                spans = [(found.n + i, ends[i], ends[i + 1]) for i in stale]
                found.changed.append((images.select(stale), spans))
            found.n, found.end = found.n + here, ends[-1]
            if here < len(images):
                found.rest = [images.select(range(here, len(images)))]
                break
    return found


def _remake(partial: Path, journal: Path, form: Form, found: _Found, answer: Answer) -> int:
    """Cut the table to the rows that count, ask anew about changed photos, and return how many they were.

    The new table replaces the old before the new journal does: killed in between, the rows are made again.
    """
    if not found.changed:
        with partial.open("r+b") as file:
            file.truncate(found.end if found.n else 0)
        return 0
    new, digests = partial.with_suffix(".new"), bytearray(journal.read_bytes())
    position = 0
    try:
        with partial.open("rb") as old, new.open("wb") as file:
            for images, spans in found.changed:
                recorded = _Recorded(images.source)
                answers = answer(replace(images, source=recorded))
                for place, prediction, (row, start, end) in zip(count(), answers, spans, strict=False):
                    _copy(old, file, start - position)
                    file.write(encoded(form.line(prediction)))
                    old.seek(end)
                    position = end
                    digests[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES] = recorded.digest(images, place)
            _copy(old, file, found.end - position)
        new.replace(partial)
    finally:
        new.unlink(missing_ok=True)
    new.write_bytes(digests)
    new.replace(journal)
    return sum(len(spans) for _, spans in found.changed)


def _copy(old: IO[bytes], new: IO[bytes], n: int) -> None:
    """Copy the next n bytes."""
    while n:
        piece = old.read(min(n, PIECE))
        new.write(piece)
        n -= len(piece)


def _journalled(answer: Answer, digests: IO[bytes]) -> Answer:
    """Write down what was read for each answer, before the answer is given."""

    def answered(images: ImageSet) -> Iterator[Prediction]:
        recorded = _Recorded(images.source)
        for place, prediction in enumerate(answer(replace(images, source=recorded))):
            digests.write(recorded.digest(images, place))
            yield prediction

    return answered


class _Recorded:
    """A source that remembers the digest of what was read of each image, until it is asked for it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._digests: dict[int, bytes] = {}

    def read(self, index: int) -> bytes | NDArray[np.uint8]:
        try:
            content = self._source.read(index)
        except ImageError:
            self._digests[index] = UNREADABLE
            raise
        self._digests[index] = image_digest(content)
        return content

    def digest(self, images: ImageSet, place: int) -> bytes:
        """Digest of what was read of image `place`; read now, if it was not."""
        known = self._digests.pop(int(images.positions[place]), None)
        return _digest(images, place) if known is None else known


def _digest(images: ImageSet, place: int) -> bytes:
    try:
        return image_digest(images.read(place))
    except ImageError:
        return UNREADABLE


def _digests(images: ImageSet, n: int) -> Sequence[bytes]:
    """Digests of the first n photos as they are now."""
    with ThreadPoolExecutor(READERS, "lightprobe-digest") as executor:
        return list(executor.map(lambda place: _digest(images, place), range(n)))


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
            yield decoded(line)
