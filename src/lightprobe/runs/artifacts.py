"""What a run keeps beside its row, so that its report needs neither the model nor the photos.

`RUN/artifacts/answers.csv` has a line a photo and split: what the model said of it, leave-one-out for the
training photos. `RUN/artifacts/thumbnails/` has small pictures of the photos that a report shows, and
`RUN/artifacts/run.json` says how to repeat the run. Thumbnails are named after a digest of the photo's path,
so no name that a photo may have leads anywhere else.
"""

import hashlib
import json
import platform
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.atomic import write_whole
from lightprobe.csv_text import read_csv, write_csv
from lightprobe.errors import DataError, ImageError
from lightprobe.images import ImageSet, thumbnail
from lightprobe.json_text import to_json
from lightprobe.photo_model import most_probable
from lightprobe.versions import versions_of

ARTIFACTS, ANSWERS, THUMBNAILS, FACTS = "artifacts", "answers.csv", "thumbnails", "run.json"
LEFT_OUT, TEST = "left-out", "test"
SHOWN = 14  # mistakes a split, and half as many unsure answers
SIDE, QUALITY = 320, 72  # of a thumbnail: pixels, JPEG
PACKAGES = ("torch", "torchvision", "openvino", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Answer:
    """What a model said of one photo whose class is known.

    Attributes
    ----------
    split : {"left-out", "test"}
        Whether this is a training photo, asked of the model that never saw it, or a test photo.
    path, label : str
        The photo and its class.
    answer, second : str
        The most probable class, and the next.
    probability, second_probability, label_probability : float
        Of the answer, the second and the true class.
    """

    split: str
    path: str
    label: str
    answer: str
    probability: float
    second: str
    second_probability: float
    label_probability: float

    @property
    def right(self) -> bool:
        """Whether the answer is the photo's class."""
        return self.answer == self.label

    @property
    def margin(self) -> float:
        """How far the answer is ahead of the second."""
        return self.probability - self.second_probability

    @classmethod
    def from_cells(cls, cells: dict[str, str]) -> Self:
        """Read a line of the table."""
        return cls(
            cells["split"],
            cells["path"],
            cells["label"],
            cells["answer"],
            float(cells["probability"]),
            cells["second"],
            float(cells["second_probability"]),
            float(cells["label_probability"]),
        )


@dataclass(frozen=True)
class Artifacts:
    """What lies in a run's artifacts folder.

    Attributes
    ----------
    answers : tuple of Answer
    facts : dict
        `command`, `python`, `data`, `classes`, `versions`, `created`, `system`.
    """

    answers: tuple[Answer, ...]
    facts: dict[str, Any]


def answers_of(
    split: str,
    paths: Sequence[str],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    classes: Sequence[str],
) -> list[Answer]:
    """Write probabilities (n, n_classes) out as one answer a photo."""
    answers = []
    said = most_probable(probabilities, classes, 2)
    for path, label, row, answer in zip(paths, labels, probabilities, said, strict=True):
        (first, second), chances = answer.labels, (*answer.probabilities, row[label])
        p_first, p_second, p_label = (round(float(chance), 6) for chance in chances)
        answers.append(Answer(split, path, classes[label], first, p_first, second, p_second, p_label))
    return answers


def surest_mistakes(answers: Iterable[Answer], n: int = SHOWN) -> list[Answer]:
    """Pick the wrong answers, those given with the highest probability first."""
    return sorted((a for a in answers if not a.right), key=lambda a: -a.probability)[:n]


def least_sure(answers: Iterable[Answer], n: int = SHOWN // 2) -> list[Answer]:
    """Pick the answers whose second class came nearest; none that stands among the surest mistakes."""
    answers = list(answers)
    elsewhere = {a.path for a in surest_mistakes(answers)}
    return sorted((a for a in answers if a.path not in elsewhere), key=lambda a: a.margin)[:n]


def keep(
    run: Path,
    images: ImageSet,
    answers: Sequence[Answer],
    classes: Sequence[str],
    command: str,
    python: str,
    data: str = "",
) -> None:
    """Write a run's artifacts, replacing an earlier run's.

    Parameters
    ----------
    images : ImageSet
        The photos that the answers speak of, and any others.
    command, python : str
        How the run was started, as far as it is known, and the classifier in Python.
    data : str
        Where the photos lie, as far as it is known.
    """
    folder = run / ARTIFACTS
    shutil.rmtree(folder, ignore_errors=True)
    (folder / THUMBNAILS).mkdir(parents=True)
    write_csv(folder / ANSWERS, [field.name for field in fields(Answer)], map(astuple, answers))
    facts = {
        "command": command,
        "python": python,
        "data": str(Path(data).absolute()) if data and Path(data).exists() else data,
        "classes": list(classes),
        "versions": {"python": platform.python_version(), **versions_of(*PACKAGES)},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
    }
    write_whole(folder / FACTS, (to_json(facts, indent=1) + "\n").encode())
    positions = {path: index for index, path in enumerate(images.paths)}
    for answer in _shown(answers):
        if answer.path in positions:
            with suppress(ImageError):  # a photo that is gone by now has none
                content = images.read(positions[answer.path])
                small = thumbnail(content, SIDE, max_pixels=images.max_pixels, quality=QUALITY)
                write_whole(thumbnail_path(run, answer.path), small, durable=False)


def read_artifacts(run: Path) -> Artifacts | None:
    """Read what `keep` wrote; None if there is nothing.

    Raises
    ------
    DataError
        If it is damaged.
    """
    folder = run / ARTIFACTS
    if not folder.is_dir():
        return None
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        return Artifacts(tuple(map(Answer.from_cells, read_csv(folder / ANSWERS))), facts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} is damaged ({error}): delete it for a report without photos, or train again."
        ) from None


def thumbnail_path(run: Path, photo: str) -> Path:
    """Where the thumbnail of a photo lies, if there is one."""
    name = hashlib.blake2b(photo.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return run / ARTIFACTS / THUMBNAILS / f"{name}.jpg"


def _shown(answers: Sequence[Answer]) -> list[Answer]:
    """Pick the answers whose photos a report shows."""
    return [
        answer
        for split in (LEFT_OUT, TEST)
        for pick in (surest_mistakes, least_sure)
        for answer in pick([a for a in answers if a.split == split])
    ]
