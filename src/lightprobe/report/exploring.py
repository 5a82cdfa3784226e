"""What makes a page explorable: its photos by number, the map, and what is answered above a threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from lightprobe.html_text import percent
from lightprobe.images import data_address
from lightprobe.report.drawing import SERIES
from lightprobe.report.page import Dots, PhotoPlot, Table, Thresholds
from lightprobe.report.words import count, legible
from lightprobe.runs import (
    LEFT_OUT,
    TEST,
    Answer,
    Artifacts,
    PhotoMap,
    choose_photos,
    least_sure,
    read_photo_map,
    surest_mistakes,
)

SPLITS = {LEFT_OUT: "left-out photos", TEST: "test photos"}
STOPS = (*(i / 100 for i in range(100)), 0.995, 0.999)
TOLD = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
WIDTH, HEIGHT, MARGIN = 1000, 720, 16  # of the map, in its own units
GOLDEN_ANGLE = 137.508  # degrees: hues of neighbours in the list of classes lie far apart


@dataclass(frozen=True)
class Explorable:
    """The photos that a page knows of.

    Attributes
    ----------
    answers : tuple of Answer
        Numbered by their places: those on the map first, in its order.
    classes : sequence of str
    photo_map : PhotoMap or None
    """

    answers: tuple[Answer, ...]
    classes: Sequence[str]
    photo_map: PhotoMap | None

    @classmethod
    def of(cls, run: Path, evidence: Artifacts) -> Self:
        """Gather the photos of a run's map and those that the page shows or lists."""
        photo_map = read_photo_map(run)
        answers = evidence.answers
        numbers = [] if photo_map is None else [i for i in photo_map.photos.tolist() if i < len(answers)]
        numbers += choose_photos(answers).tolist()
        place = {(answer.split, answer.path): i for i, answer in enumerate(answers)}
        for split in SPLITS:
            of_split = [answer for answer in answers if answer.split == split]
            shown = [*surest_mistakes(of_split), *least_sure(of_split)]
            numbers += [place[answer.split, answer.path] for answer in shown]
        return cls(tuple(answers[i] for i in dict.fromkeys(numbers)), evidence.facts["classes"], photo_map)

    def numbers(self) -> dict[tuple[str, str], int]:
        """Give each photo's number by its split and path."""
        return {(answer.split, answer.path): number for number, answer in enumerate(self.answers)}

    def data(self, every: Sequence[Answer]) -> dict[str, Any]:
        """Return what the page's script reads."""
        index = {name: i for i, name in enumerate(self.classes)}
        splits = list(SPLITS)
        n_tiles = 0 if self.photo_map is None else self.photo_map.n_tiles
        photos = [
            [
                splits.index(a.split),
                a.path,
                index[a.label],
                index[a.answer],
                round(a.probability, 4),
                index[a.second],
                round(a.second_probability, 4),
                number if number < n_tiles else -1,
            ]
            for number, a in enumerate(self.answers)
        ]
        tiles = None
        if self.photo_map is not None and n_tiles:
            source = data_address(self.photo_map.tiles)
            tiles = {"side": self.photo_map.side, "columns": self.photo_map.columns, "source": source}
        counted = [{"name": SPLITS[s], **answered_above(of_split)} for s, of_split in by_split(every).items()]
        data = {
            "classes": list(self.classes),
            "splits": list(SPLITS.values()),
            "photos": photos,
            "tiles": tiles,
            "thresholds": {"stops": STOPS, "splits": counted},
        }
        said: dict[str, Any] = legible(data)
        return said

    def plot(self) -> PhotoPlot | None:
        """Plot the map; None if there is none."""
        if self.photo_map is None or not len(self.photo_map.photos):
            return None
        room = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
        places = np.round(MARGIN + self.photo_map.places * room, 1).tolist()
        on_map = self.answers[: len(places)]
        classes = []
        for i, name in enumerate(self.classes):
            dots = [
                (x, y, number, not answer.right)
                for number, ((x, y), answer) in enumerate(zip(places, on_map, strict=True))
                if answer.label == name
            ]
            if dots:
                classes.append(Dots(name, colour(i, len(self.classes)), dots))
        wrong, photos = sum(not answer.right for answer in on_map), count(len(on_map), "photo")
        alt = f"Map of {photos} of {len(classes)} classes, {count(wrong, 'mistake')} marked."
        caption = (
            f"{photos} in the colours of their classes; a rim marks the {count(wrong, 'mistake')}. Photos "
            f"that look alike to the network lie side by side ({self.photo_map.by}); "
            "how far groups are apart means little."
        )
        return PhotoPlot(caption, alt, classes, WIDTH, HEIGHT)


def by_split(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """Part answers into those about left-out and about test photos."""
    found = {split: [a for a in answers if a.split == split] for split in SPLITS}
    return {split: of_split for split, of_split in found.items() if of_split}


def answered_above(answers: Sequence[Answer]) -> dict[str, list[int]]:
    """Count the answers that are surer than each of STOPS, and how many of them are right."""
    sure = np.array([a.probability for a in answers])
    right = np.array([a.right for a in answers], dtype=bool)
    above = [sure > stop for stop in STOPS]
    return {"answered": [int(a.sum()) for a in above], "right": [int((a & right).sum()) for a in above]}


def thresholds(kinds: Mapping[str, Sequence[Answer]]) -> Thresholds:
    """Say how many photos are answered, and how many of these rightly, above each of some thresholds."""
    counted = {name: answered_above(answers) for name, answers in kinds.items()}
    rows = []
    for stop in TOLD:
        place = STOPS.index(stop)
        cells = [percent(stop, 0) if stop else "always"]
        for name, answers in kinds.items():
            n, k = counted[name]["answered"][place], counted[name]["right"][place]
            cells += [f"{n:,}", percent(n / len(answers)), percent(k / n if n else None)]
        rows.append(cells)
    columns = [f"{what}, {name}" for name in kinds for what in ("answered", "share", "of them right")]
    caption = "If it answers only where it is surer than so much, and leaves the other photos to people"
    return Thresholds(Table(caption, ["answers above", *columns], rows))


def colour(index: int, n: int) -> str:
    """Return a class's colour: of the page's series where they suffice, else a hue of its own."""
    if n <= len(SERIES):
        return f"var(--series-{index + 1})"
    return f"hsl({index * GOLDEN_ANGLE % 360:.0f} 62% var(--light))"
