"""What the page does: a photo is classified or taught, many become a table, the model is saved."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from lightprobe.csv_text import encoded
from lightprobe.errors import DataError, ImageError
from lightprobe.html_text import percent
from lightprobe.images import Source, ZipSource, class_name, read_file
from lightprobe.photo_model import Argument, Prediction
from lightprobe.prediction_files import CsvForm
from lightprobe.serve import html
from lightprobe.serve.album import Album
from lightprobe.serve.service import Service

UNKNOWN: Final = 0.05  # share of known photos that may be called unknown
TOP: Final = 5  # classes whose probabilities are shown
REASONS: Final = 6  # training photos for an answer, and as many against it
AT_ONCE: Final = 16  # photos of a table that are held in memory


@dataclass(frozen=True)
class Shown:
    """What the page shows of one photo's answer.

    Attributes
    ----------
    answer : str
        HTML: the answer in a line, or why there is none.
    shares : dict of str to float
        Probabilities of the first classes; empty where there is no answer.
    reasons : str
        HTML: training photos; empty where the model keeps none.
    """

    answer: str
    shares: dict[str, float]
    reasons: str


@dataclass(frozen=True)
class _Photo:
    """One of many photos, not read yet."""

    name: str
    source: Source
    index: int

    def read(self) -> bytes | str:
        """Return its bytes, or why there are none."""
        try:
            content = self.source.read(self.index)
        except ImageError as error:
            return error.reason
        assert isinstance(content, bytes)
        return content


class _Upload:
    """An uploaded file as a source of one photo."""

    def __init__(self, file: Path, max_bytes: int) -> None:
        self._file, self._max_bytes = file, max_bytes

    def read(self, _index: int = 0) -> bytes:
        size = self._file.stat().st_size
        if size > self._max_bytes:
            raise ImageError(f"has {size} bytes, and {self._max_bytes} are allowed")
        return read_file(str(self._file))


class PageActions:
    """The page's work, for many visitors at once.

    Parameters
    ----------
    service : Service
    album : Album
        Where pictures of training photos are found.
    """

    def __init__(self, service: Service, album: Album) -> None:
        self._service, self._album = service, album

    @property
    def facts(self) -> dict[str, Any]:
        """What the model is: see `Service`."""
        return self._service.facts

    def ask(self, photo: Path) -> Shown:
        """Answer one photo, with what there is of reasons."""
        try:
            content = _Upload(photo, self._service.limits.file_bytes).read()
        except ImageError as error:
            return Shown(html.refusal(f"{photo.name}: {error.reason}."), {}, "")
        why = REASONS if self._service.explains else 0
        (said,) = self._service.predict([(photo.name, content)], TOP, unknown=UNKNOWN, why=why)
        shares = dict(zip(said.labels, said.probabilities, strict=True))
        answer = html.answer(said, self._service.known_class(content))
        return Shown(answer, shares, html.reasons(said.why, self._picture) if said.why else "")

    def teach(self, photo: Path, label: str) -> str:
        """Teach that a photo is really a `label`, and say what that did to the model.

        Raises
        ------
        LightprobeError
            If the photo or the label cannot be used, or the model cannot be taught.
        """
        try:
            content = _Upload(photo, self._service.limits.file_bytes).read()
        except ImageError as error:
            raise DataError(f"{photo.name}: {error.reason}.") from None
        label = class_name(label.strip())
        before = self.facts
        after = self._service.teach(photo.name, content, label)
        self._album.add(content)
        new = "" if label in before["classes"] else ", a new class"
        right, was_right = (percent(facts["loo_accuracy"]) for facts in (after, before))
        return (
            f"Learnt: this is {label}{new}. {after['n_train']:,} training photos of {len(after['classes'])} "
            f"classes, right on {right} of new photos ({was_right} before). "
            "What is not saved is lost when the server stops."
        )

    def save(self) -> str:
        """Write the model to its folder, and say so."""
        return f"Saved to {self._service.save()}."

    def ask_many(self, files: Sequence[Path], table: Path) -> str:
        """Answer photos and zips of photos; write the table there as CSV and return it as HTML.

        Raises
        ------
        DataError
            If there are no photos, or more than the limit, or a zip is damaged.
        """
        limits = self._service.limits
        photos: list[_Photo] = []
        for file in files:
            if file.suffix.lower() == ".zip":
                archive = ZipSource(file, limits.file_bytes)
                photos += [_Photo(f"{file.name}/{name}", archive, i) for i, name in enumerate(archive.names)]
            else:
                photos.append(_Photo(file.name, _Upload(file, limits.file_bytes), 0))
        if not photos:
            raise DataError("There are no photos in this: give photos, or a zip of photos.")
        if len(photos) > limits.files:
            raise DataError(
                f"These are {len(photos):,} photos, and {limits.files} at a time are allowed: give fewer, or "
                "let lightprobe predict write the table, which takes any number."
            )
        answers = list(self._answers(photos))
        form = CsvForm(1)
        text = form.header() + "".join(form.line(answer) for answer in answers)
        table.write_bytes(encoded(text))
        return html.table(answers)

    def _answers(self, photos: Iterable[_Photo]) -> Iterator[Prediction]:
        rest = iter(photos)
        while some := [(photo.name, photo.read()) for photo in islice(rest, AT_ONCE)]:
            good = [(name, content) for name, content in some if isinstance(content, bytes)]
            answers = iter(self._service.predict(good, unknown=UNKNOWN))
            for name, content in some:
                yield next(answers) if isinstance(content, bytes) else Prediction(name, error=content)

    def _picture(self, argument: Argument) -> str | None:
        digest = self._service.digests.get(argument.path)
        return None if digest is None else self._album.picture(argument.path, digest)
