import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightprobe.bulk import CsvForm, Form, JsonLinesForm, photo_blocks, write_table
from lightprobe.images import ImageSet
from lightprobe.photo_model import Argument, Explanation, Prediction

FORMS = [CsvForm(2), JsonLinesForm()]
NAMES = ["a.jpg", 'with,comma and "quotes".jpg', "two\nlines.jpg", "größe.jpg", "broken.jpg", "e.jpg"]


class Asked:
    """Answers by name, remembers what it was asked, and stops as if interrupted before photo `stop`."""

    def __init__(self, stop: int | None = None) -> None:
        self.paths: list[str] = []
        self.stop = stop

    def __call__(self, images: ImageSet) -> Iterator[Prediction]:
        for path in images.paths:
            if len(self.paths) == self.stop:
                raise KeyboardInterrupt
            self.paths.append(path)
            if path.endswith("broken.jpg"):
                yield Prediction(path, error="no image")
            else:
                yield Prediction(path, ("cat", "dog"), (0.75, 0.25))


def photos(folder: Path, names: list[str] = NAMES) -> list[str]:
    return [(folder / name).as_posix() for name in names]


def blocks(paths: list[str], size: int = 4) -> Iterator[ImageSet]:
    from lightprobe.images import open_listed

    for start in range(0, len(paths), size):
        yield open_listed(paths[start : start + size])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stop", range(len(NAMES) + 1))
def test_a_run_that_was_stopped_anywhere_ends_with_the_table_of_one_that_was_not(
    tmp_path: Path, form: Form, stop: int
) -> None:
    whole, target, paths = tmp_path / "whole", tmp_path / "answers", photos(tmp_path)
    write_table(whole, form, blocks(paths), Asked(), "model")
    first, second = Asked(stop), Asked()
    if stop < len(paths):
        with pytest.raises(KeyboardInterrupt):
            write_table(target, form, blocks(paths), first, "model")
        assert not target.exists(), "a table appears once it is whole"
    written = write_table(target, form, blocks(paths), second, "model")
    assert target.read_bytes() == whole.read_bytes()
    assert (written.n, written.n_resumed) == (len(paths), stop if stop < len(paths) else 0)
    assert second.paths == paths[written.n_resumed :]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["answers", "whole"], "nothing is left beside it"


@pytest.mark.parametrize("form", FORMS)
def test_a_line_that_was_cut_short_is_written_again(tmp_path: Path, form: Form) -> None:
    paths = photos(tmp_path)
    whole, target = tmp_path / "whole", tmp_path / "answers"
    write_table(whole, form, blocks(paths), Asked(), "model")
    with pytest.raises(KeyboardInterrupt):
        write_table(target, form, blocks(paths), Asked(0), "model")
    (partial,) = tmp_path.glob(".answers.*")
    for cut in range(len(whole.read_bytes())):
        partial.write_bytes(whole.read_bytes()[:cut])
        write_table(target, form, blocks(paths), Asked(), "model")
        assert target.read_bytes() == whole.read_bytes(), cut


def test_other_photos_or_another_model_do_not_continue_a_table(tmp_path: Path) -> None:
    paths, target = photos(tmp_path), tmp_path / "answers"
    with pytest.raises(KeyboardInterrupt):
        write_table(target, CsvForm(2), blocks(paths), Asked(5), "model")
    other = Asked()
    write_table(target, CsvForm(2), blocks(paths), other, "another model")
    assert other.paths == paths
    changed, asked = [*paths[:2], "new.jpg", *paths[2:]], Asked()
    write_table(target, CsvForm(2), blocks(changed), asked, "model")
    assert asked.paths == changed[2:], "the rows before the new photo still stand"
    with target.open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)][1:] == changed


def test_a_name_that_is_no_text_survives_both_forms(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    write_table(tmp_path / "csv", CsvForm(2), blocks([name]), Asked(), "m")
    assert b"caf\xe9.jpg" in (tmp_path / "csv").read_bytes()
    write_table(tmp_path / "jsonl", JsonLinesForm(), blocks([name]), Asked(), "m")
    assert json.loads((tmp_path / "jsonl").read_bytes())["path"] == name


def test_a_list_is_read_a_block_at_a_time_and_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightprobe.bulk.photos.BLOCK", 2)
    for name in ("1.jpg", "9.jpg"):
        (tmp_path / name).write_bytes(b"")
    taken: list[int] = []

    def lines() -> Iterator[bytes]:
        for i in range(5):
            taken.append(i)
            yield f"{i}.png\r\n\n".encode()

    inputs = [str(tmp_path / "1.jpg"), "-", str(tmp_path / "9.jpg")]
    got = []
    for images in photo_blocks(inputs, lines()):
        got.append([Path(path).name for path in images.paths])
        assert len(taken) <= 2 * len(got)
    assert got == [["1.jpg"], ["0.png", "1.png"], ["2.png", "3.png"], ["4.png"], ["9.jpg"]]


def test_unknown_and_reasons_stand_in_their_columns() -> None:
    argument = Argument("train/cat/1.jpg", "cat", 0.25)
    why = Explanation("cat", 0.5, -0.3, (argument,), (), (argument,))
    answer = Prediction("a.jpg", ("cat",), (0.9,), novelty=0.97, unknown=True, why=why)
    form = CsvForm(1, why=True)
    names, row = csv.reader([form.header(), form.line(answer)])
    said = dict(zip(names, row, strict=True))
    assert said["unknown"] == "true"
    assert said["for"] == "train/cat/1.jpg (+0.2500)"
    assert said["against"] == ""
    assert list(form.paths([form.header(), form.line(answer)])) == ["a.jpg"]
    record = json.loads(JsonLinesForm().line(answer))
    assert (record["unknown"], record["novelty"]) == (True, 0.97)
    assert record["why"]["arguments_for"] == [{"path": "train/cat/1.jpg", "label": "cat", "value": 0.25}]
