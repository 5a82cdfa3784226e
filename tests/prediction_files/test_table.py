import csv
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lightprobe.errors import ImageError, WriteError
from lightprobe.images import ImageSet
from lightprobe.photo_model import Argument, Explanation, Prediction
from lightprobe.prediction_files import CsvForm, Form, JsonLinesForm, photo_blocks, write_table

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
    paths = NAMES[1:5]  # without their folder, which would only make lines longer
    whole, target = tmp_path / "whole", tmp_path / "answers"
    write_table(whole, form, blocks(paths), Asked(), "model")
    with pytest.raises(KeyboardInterrupt):
        write_table(target, form, blocks(paths), Asked(len(paths) - 1), "model")
    (partial,), (journal,) = (tmp_path.glob(f".answers.*.{kind}") for kind in ("partial", "journal"))
    digests, resumed = journal.read_bytes(), set()
    for cut in range(len(whole.read_bytes())):
        partial.write_bytes(whole.read_bytes()[:cut])
        journal.write_bytes(digests[: len(digests) - cut % 7])
        resumed.add(write_table(target, form, blocks(paths), Asked(), "model").n_resumed)
        assert target.read_bytes() == whole.read_bytes(), cut
    assert resumed >= {0, len(paths) - 2}


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


@pytest.mark.parametrize("form", FORMS)
def test_a_run_that_goes_on_asks_again_about_photos_that_changed(tmp_path: Path, form: Form) -> None:
    """Changed, repaired, deleted and new photos: the table is that of a run from nothing."""

    def by_content(asked: list[str], stop: int | None = None) -> Callable[[ImageSet], Iterator[Prediction]]:
        def answer(images: ImageSet) -> Iterator[Prediction]:
            for index, path in enumerate(images.paths):
                if len(asked) == stop:
                    raise KeyboardInterrupt
                asked.append(Path(path).name)
                try:
                    said = images.read(index)
                except ImageError as error:
                    yield Prediction(path, error=error.reason)
                else:
                    assert isinstance(said, bytes)
                    yield Prediction(path, (said.decode(), "dog"), (0.75, 0.25))

        return answer

    paths, target = photos(tmp_path, [f"{i}.jpg" for i in range(10)]), tmp_path / "answers"
    for path in paths[:9]:
        Path(path).write_text(f"cat of {path[-5]}", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        write_table(target, form, blocks(paths), by_content([], stop=8), "model")
    Path(paths[0]).write_text("another cat, whose name is longer", encoding="utf-8")
    Path(paths[5]).unlink()
    Path(paths[9]).write_text("cat at last", encoding="utf-8")
    asked: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        write_table(target, form, blocks(paths), by_content(asked, stop=1), "model")
    written = write_table(target, form, blocks(paths), by_content(asked := []), "model")
    assert asked == ["0.jpg", "5.jpg", "8.jpg", "9.jpg"]
    assert (written.n, written.n_resumed) == (10, 6)
    write_table(tmp_path / "whole", form, blocks(paths), by_content([]), "model")
    assert target.read_bytes() == (tmp_path / "whole").read_bytes()
    Path(paths[3]).write_text("changed", encoding="utf-8")
    write_table(target, form, blocks(paths), by_content(asked := []), "model")
    assert len(asked) == 10, "a table that is whole is made anew"
    assert [p.name for p in tmp_path.glob(".*")] == [], "nothing hidden is left"


def test_a_name_that_is_no_text_survives_both_forms(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    write_table(tmp_path / "csv", CsvForm(2), blocks([name]), Asked(), "m")
    assert b"caf\xe9.jpg" in (tmp_path / "csv").read_bytes()
    write_table(tmp_path / "jsonl", JsonLinesForm(), blocks([name]), Asked(), "m")
    assert json.loads((tmp_path / "jsonl").read_bytes())["path"] == name


def test_a_list_is_read_a_block_at_a_time_and_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightprobe.prediction_files.inputs.BLOCK", 2)
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


FORMULAS = ["=1+1.jpg", "-2.jpg", "@x.jpg", "'=quoted.jpg", "+3.jpg"]


@pytest.mark.parametrize("stop", [1, 4])
def test_names_that_a_spreadsheet_would_compute_are_neutralised_and_found_again(
    tmp_path: Path, stop: int
) -> None:
    names = photos(tmp_path, NAMES) + FORMULAS
    target = tmp_path / "t.csv"
    with pytest.raises(KeyboardInterrupt):
        write_table(target, CsvForm(2), blocks(names), Asked(len(NAMES) + stop), "s")
    asked = Asked()
    written = write_table(target, CsvForm(2), blocks(names), asked, "s")
    assert asked.paths == FORMULAS[stop:]
    assert written.n == len(names)
    with target.open(encoding="utf-8", newline="") as file:
        cells = [row[0] for row in csv.reader(file)][-len(FORMULAS) :]
    assert cells == [f"'{name}" for name in FORMULAS]
    from lightprobe.images import read_table

    assert [row[0] for _, row in read_table(target).rows][-len(FORMULAS) :] == FORMULAS
    lines = tmp_path / "t.jsonl"
    write_table(lines, JsonLinesForm(), blocks(names), Asked(), "s")
    assert [json.loads(line)["path"] for line in lines.read_bytes().decode().split("\n")[:-1]] == names


def test_a_table_goes_through_a_link_and_into_a_pipe(tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    write_table(whole, CsvForm(2), blocks(photos(tmp_path)), Asked(), "s")
    (tmp_path / "real.csv").touch()
    (tmp_path / "link.csv").symlink_to("real.csv")
    write_table(tmp_path / "link.csv", CsvForm(2), blocks(photos(tmp_path)), Asked(), "s")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == whole.read_bytes()
    os.mkfifo(tmp_path / "pipe.csv")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe.csv").read_bytes()))
    reader.start()
    write_table(tmp_path / "pipe.csv", CsvForm(2), blocks(photos(tmp_path)), Asked(), "s")
    reader.join()
    assert read == [whole.read_bytes()]
    with pytest.raises(WriteError, match="No space left on device"):
        write_table(Path("/dev/full"), CsvForm(2), blocks(photos(tmp_path)), Asked(), "s")


def test_of_two_that_write_one_table_the_second_waits(tmp_path: Path) -> None:
    target, began, go_on = tmp_path / "t.csv", threading.Event(), threading.Event()

    def slow(images: ImageSet) -> Iterator[Prediction]:
        began.set()
        assert go_on.wait(30)
        yield from Asked()(images)

    first = threading.Thread(
        target=lambda: write_table(target, CsvForm(2), blocks(photos(tmp_path)), slow, "s")
    )
    first.start()
    began.wait(30)
    threading.Timer(0.3, go_on.set).start()
    second = Asked()
    assert write_table(target, CsvForm(2), blocks(photos(tmp_path)), second, "s").n == len(NAMES)
    first.join()
    assert second.paths == photos(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"] == []
