"""Photos copied into folders by their answer: nothing is overwritten, nothing leads elsewhere."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from lightprobe.errors import OptionError
from lightprobe.images import ImageSet, open_unlabelled
from lightprobe.photo_model import Prediction
from lightprobe.prediction_files import Copies


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "new"
    for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg", "b/3.jpg", "b/4.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"photo {name}".encode())
    return folder


SAID = {
    "a/1.jpg": Prediction("", ("cat",), (0.9,)),
    "b/1.jpg": Prediction("", ("cat",), (0.8,)),
    "b/2.jpg": Prediction("", ("cat",), (0.7,), unknown=True),
    "b/3.jpg": Prediction("", error="damaged"),
    "b/4.jpg": Prediction("", ("../../Fruit/A:B",), (0.7,)),
}


def answer(images: ImageSet) -> Iterable[Prediction]:
    for path in images.paths:
        said = SAID["/".join(path.split("/")[-2:])]
        yield Prediction(path, said.labels, said.probabilities, said.error, unknown=said.unknown)


@pytest.mark.parametrize("link", [False, True])
def test_photos_go_into_folders_by_answer_and_a_second_time_changes_nothing(
    photos: Path, tmp_path: Path, link: bool
) -> None:
    out = tmp_path / "sorted"
    (out / "cat").mkdir(parents=True)
    (out / "cat" / "1.jpg").write_bytes(b"the user's own")
    before = {path: path.read_bytes() for path in photos.rglob("*.jpg")}
    for _ in range(2):
        assert len(list(Copies(out, link=link).over(answer)(open_unlabelled(photos)))) == 5
        found = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.jpg")}
        assert found == {
            "cat/1.jpg": b"the user's own",
            "cat/1 (2).jpg": b"photo a/1.jpg",
            "cat/1 (3).jpg": b"photo b/1.jpg",
            "unknown/2.jpg": b"photo b/2.jpg",
            "__/__/Fruit/A_B/4.jpg": b"photo b/4.jpg",
        }
    assert (out / "unknown" / "2.jpg").is_symlink() == link
    assert {path: path.read_bytes() for path in photos.rglob("*.jpg")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "sorted"]


def test_photos_of_a_zip_are_copied_out_of_it(photos: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        archive.write(photos / "a" / "1.jpg", "a/1.jpg")
    list(Copies(tmp_path / "out", link=True).over(answer)(open_unlabelled(tmp_path / "new.zip")))
    assert (tmp_path / "out" / "cat" / "1.jpg").read_bytes() == b"photo a/1.jpg"
    with pytest.raises(OptionError, match="is a file: name a folder"):
        Copies(tmp_path / "new.zip")
