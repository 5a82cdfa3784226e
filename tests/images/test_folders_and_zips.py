import contextlib
import os
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.images.toy_photos import encoded, pixels, write_photo

from lightprobe.errors import DataError, ImageError
from lightprobe.images import ImageSet, decode, open_images, open_listed, open_unlabelled
from lightprobe.images.files import ZipSource


def tree(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        write_photo(root / name, (number, 0, 0))
    return root


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
    return target


def both(folder: Path) -> list[ImageSet]:
    """Open a tree as a folder and as a zip."""
    return [open_images(folder), open_images(str(zipped(folder, folder.with_suffix(".zip"))))]


def test_folders_of_classes_become_classes(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "10/b.png", "9/x10.png", "9/x9.png", "10/deep/er/a.png")
    for images in both(data):
        assert images.classes == ("9", "10")
        assert images.paths == ("9/x9.png", "9/x10.png", "10/b.png", "10/deep/er/a.png")
        assert images.labels.tolist() == [0, 0, 1, 1]
        assert set(images.splits.tolist()) == {""}
        assert [images.read(i) for i in range(4)] == [(data / path).read_bytes() for path in images.paths]


def test_split_folders_are_told_by_name_in_any_case(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "Train/a/1.png", "Train/b/2.png", "VALID/b/3.png", "test/a/4.png")
    for images in both(data):
        assert images.classes == ("a", "b")
        assert dict(zip(images.paths, images.splits.tolist(), strict=True)) == {
            "Train/a/1.png": "train",
            "Train/b/2.png": "train",
            "VALID/b/3.png": "val",
            "test/a/4.png": "test",
        }


def test_a_class_missing_from_test_keeps_the_labels_right(tmp_path: Path) -> None:
    data = tree(
        tmp_path / "d", "train/a/1.png", "train/b/2.png", "train/c/3.png", "test/c/4.png", "test/b/5.png"
    )
    test = open_images(data).test
    assert test is not None
    assert [test.classes[label] for label in test.labels] == ["b", "c"]


def test_a_folder_that_only_wraps_the_data_is_looked_through(tmp_path: Path) -> None:
    data = tree(
        tmp_path / "d", "flowers/v2/train/a/1.png", "flowers/v2/train/b/2.png", "flowers/v2/val/a/3.png"
    )
    for images in both(data):
        assert images.classes == ("a", "b")
        assert images.paths[0] == "flowers/v2/train/a/1.png"
        assert images.splits.tolist() == ["train", "train", "val"]


def test_a_lone_split_folder_is_a_split(tmp_path: Path) -> None:
    for images in both(tree(tmp_path / "d", "test/a/1.png", "test/b/2.png")):
        assert images.splits.tolist() == ["test", "test"]
        assert images.classes == ("a", "b")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for images in both(tree(tmp_path / "d", "bus/1.png", "train/2.png", "tram/3.png")):
        assert images.classes == ("bus", "train", "tram")
        assert set(images.splits.tolist()) == {""}


def test_hidden_and_system_files_are_ignored_and_others_named(tmp_path: Path) -> None:
    data = tree(
        tmp_path / "d",
        "a/1.png",
        "b/2.png",
        "a/._1.png",
        ".git/x.png",
        "__MACOSX/a/1.png",
        "a/@eaDir/1.png",
        "b/.x/3.png",
    )
    for name in ("a/Thumbs.db", "a/notes.txt", "README.md", "b/.DS_Store", "a/png"):
        (data / name).write_text("no image")
    for images in both(data):
        assert images.paths == ("a/1.png", "b/2.png")
        assert {one.path: one.fault for one in images.skipped} == {
            "README.md": False,
            "a/notes.txt": False,
            "a/png": True,
        }


def test_extensions_in_any_case_and_unicode_names_with_spaces_work(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "żółty kwiat/zdjęcie 1.PNG", "花/写真.JpEg", "花/x.HEIC")
    for images in both(data):
        assert images.classes == ("żółty kwiat", "花")
        assert images.paths == ("żółty kwiat/zdjęcie 1.PNG", "花/x.HEIC", "花/写真.JpEg")
        assert all(images.read(i) for i in range(3))


def test_stray_images_and_empty_class_folders_are_skipped_with_a_reason(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "a/1.png", "b/2.png", "cover.png")
    (data / "c" / "sub").mkdir(parents=True)
    (data / "c" / "x.txt").touch()
    skipped = {(s.path, s.reason) for s in open_images(data).skipped}
    assert skipped == {
        ("cover.png", "not in a class folder"),
        ("c", "a folder without images"),
        ("c/x.txt", "no photo"),
    }


def test_an_empty_class_folder_inside_a_split_is_reported(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "train/a/1.png", "train/b/2.png")
    (data / "train" / "c").mkdir()
    assert [s.path for s in open_images(data).skipped] == ["train/c"]


def test_nothing_is_written_beside_the_data(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "a/1.png", "b/2.png")
    zipped(data, tmp_path / "d.zip")
    before = sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*"))
    for source in (data, tmp_path / "d.zip"):
        images = open_images(source)
        assert [len(images.read(i)) > 0 for i in range(2)] == [True, True]
    assert sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*")) == before


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "a/1.png", "b/2.png")
    elsewhere = tree(tmp_path / "e", "deep/3.png")
    try:
        (data / "c").symlink_to(elsewhere, target_is_directory=True)
        (data / "a" / "4.png").symlink_to(data / "a" / "1.png")
        (data / "b" / "loop").symlink_to(data, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    assert open_images(data).paths == ("a/1.png", "a/4.png", "b/2.png", "c/deep/3.png")


def test_zip_names_without_the_utf8_flag_are_read_as_macos_writes_them(tmp_path: Path) -> None:
    class Mac(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
            return self.filename.encode(), 0

    path = tmp_path / "mac.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("świt/1.png", "noc/2.png"):
            archive.writestr(Mac(name), encoded(pixels(), "PNG"))
    images = open_images(path)
    assert images.classes == ("noc", "świt")
    assert all(images.read(i) for i in range(2))


def test_a_zip_can_be_read_from_many_threads(tmp_path: Path) -> None:
    data = tmp_path / "d"
    for number in range(200):
        (data / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        (data / "ab"[number % 2] / f"{number}.png").write_bytes(str(number).encode() * 3000)
    images = open_images(zipped(data, tmp_path / "d.zip"))
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(images.read, list(range(200)) * 3))
    assert read == [(data / path).read_bytes() for path in images.paths] * 3


def test_a_damaged_member_of_a_zip_is_an_image_error(tmp_path: Path) -> None:
    path = zipped(tree(tmp_path / "d", "a/1.png", "b/2.png"), tmp_path / "d.zip")
    archive = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as opened:
        start = opened.getinfo("a/1.png").header_offset + 30 + len("a/1.png")
    archive[start : start + 20] = bytes(20)
    path.write_bytes(archive)
    images = open_images(path)
    with pytest.raises(ImageError, match="damaged inside the zip"):
        images.read(0)
    assert images.read(1)


def test_a_member_over_the_size_limit_is_not_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightprobe.images.files.MAX_FILE_BYTES", 10)
    for images in both(tree(tmp_path / "d", "a/1.png", "b/2.png")):
        with pytest.raises(ImageError, match="too large for an image file"):
            images.read(0)


def test_a_file_that_went_away_is_an_image_error(tmp_path: Path) -> None:
    images = open_images(tree(tmp_path / "d", "a/1.png", "b/2.png"))
    (tmp_path / "d" / "a" / "1.png").unlink()
    with pytest.raises(ImageError, match="no such file"):
        images.read(0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_does_not_hang_the_reader(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "a/1.png", "b/2.png")
    os.mkfifo(data / "a" / "0.png")
    with pytest.raises(ImageError, match="not a regular file"):
        open_images(data).read(0)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no images in .*one folder of photos for each class"),
        (("1.png", "2.png"), r"the 2 image\(s\) in .* are not in class folders"),
        (("train/1.png", "test/2.png"), "not in class folders"),
        (
            ("train/a/1.png", "train/b/2.png", "test/3.png"),
            "the images of test in .* are not in class",
        ),
        (("train/a/1.png", "val/a/2.png", "extra/a/3.png"), "has train, val beside extra: "),
    ],
)
def test_a_tree_without_classes_is_one_clear_sentence(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(DataError, match=message) as error:
        open_images(tree(tmp_path / "d", *names))
    assert "\n" not in str(error.value)


def test_what_is_no_zip_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "d.zip").write_bytes(b"PK but not really")
    (tmp_path / "d.tar").write_bytes(b"tar")
    with pytest.raises(DataError, match=r"d\.zip cannot be read as a zip"):
        open_images(tmp_path / "d.zip")
    with pytest.raises(DataError, match=r"d\.tar is neither a folder nor a \.zip nor a \.csv"):
        open_images(tmp_path / "d.tar")


def test_a_path_that_is_not_there_suggests_a_dataset() -> None:
    with pytest.raises(DataError, match=r"cifar-01 does not exist.*did you mean cifar10"):
        open_images("cifar-01")
    with pytest.raises(DataError, match="/no/where does not exist"):
        open_images("/no/where")


def test_images_to_predict_on_come_from_files_folders_and_zips_in_order(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "x10.png", "x9.png", "sub/y.png")
    odd = write_photo(tmp_path / "photo.dat", (9, 9, 9))
    archive = zipped(data, tmp_path / "d.zip")
    images = open_unlabelled([odd, str(data), archive, pixels()])
    root = tmp_path.as_posix()
    assert images.paths == (
        f"{root}/photo.dat",
        *(f"{root}/d/{name}" for name in ("sub/y.png", "x9.png", "x10.png")),
        *(f"{root}/d.zip/{name}" for name in ("sub/y.png", "x9.png", "x10.png")),
        "3",
    )
    assert images.classes == ()
    assert set(images.labels.tolist()) == {-1}
    assert [images.read(i) for i in (1, 2, 3)] == [images.read(i) for i in (4, 5, 6)]
    assert images.read(0) == odd.read_bytes()
    assert np.array_equal(images.read(7), pixels())


def test_one_path_may_be_given_without_a_list(tmp_path: Path) -> None:
    assert len(open_unlabelled(str(tree(tmp_path / "d", "1.png", "2.png")))) == 2


def test_an_image_that_is_not_there_and_an_empty_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nope\.jpg does not exist"):
        open_unlabelled(["nope.jpg"])
    with pytest.raises(DataError, match="there are no images"):
        open_unlabelled([tmp_path])


def test_zip_names_come_in_natural_order(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "a/10.png", "a/9.png")
    assert ZipSource(zipped(data, tmp_path / "d.zip")).names == ["a/9.png", "a/10.png"]


def test_a_pattern_finds_each_image_once_and_leaves_other_files_alone(tmp_path: Path) -> None:
    data = tree(tmp_path / "shots", "a/2.png", "a/10.png", "b/1.jpg", "b/notes.txt")
    deep = open_unlabelled([f"{data}/**"])
    assert sorted(Path(path).name for path in deep.paths) == ["1.jpg", "10.png", "2.png"]
    assert [Path(p).name for p in open_unlabelled(f"{data}/*/*.png").paths] == ["2.png", "10.png"]
    with pytest.raises(DataError, match=r"\*\.webp matches no images"):
        open_unlabelled(f"{data}/**/*.webp")
    bracketed = tree(tmp_path / "odd [1]", "x.png")
    assert len(open_unlabelled(bracketed / "x.png")) == 1, "a name that exists is not a pattern"


def test_a_listed_path_that_is_not_there_stays_in_the_list(tmp_path: Path) -> None:
    data = tree(tmp_path / "d", "1.png")
    images = open_listed(["gone.jpg", str(data)])
    assert [Path(path).name for path in images.paths] == ["gone.jpg", "1.png"]
    with pytest.raises(ImageError, match="no such file"):
        images.read(0)


def test_damaged_directories_of_zips_are_one_sentence_or_single_errors(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for place in range(4):
            file.writestr(f"cat/{place}.png", b"\x89PNG\r\n\x1a\n" + bytes(range(200)))
    whole, random = archive.read_bytes(), np.random.default_rng(0)
    directory, refused = whole.find(b"PK\1\2"), 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(int(random.integers(1, 4))):
            damaged[int(random.integers(directory, len(whole)))] = int(random.integers(256))
        archive.write_bytes(damaged)
        try:
            source = ZipSource(archive)
        except DataError:
            refused += 1
            continue
        for index in range(len(source.names)):
            with contextlib.suppress(ImageError):
                source.read(index)
    assert 0 < refused < 300


def test_a_member_that_is_no_image_is_not_inflated_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightprobe.images.files.MAX_COMPRESSED_BYTES", 8 << 20)
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.jpg", bytes(20 << 20))
        file.writestr("b.jpg", b"\xff\xd8\xff" + bytes(20 << 20))
    source = ZipSource(archive)
    tracemalloc.start()
    with pytest.raises(ImageError, match="not an image of a known format"):
        source.read(0)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    with pytest.raises(ImageError, match="too large for an image file"):
        source.read(1)


def test_what_no_name_can_be_is_an_error_of_its_own(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as file:
        file.writestr("a.png", b"")
    content = (tmp_path / "bad.zip").read_bytes()
    (tmp_path / "bad.zip").write_bytes(content.replace(b"PK\1\2", b"PK\1\3"))
    names = ["x" * 5000, "a\0b", str(tmp_path / "bad.zip"), str(tmp_path / "none.jpg")]
    listed = open_listed(names)
    assert list(listed.paths) == names
    for index in range(len(names)):
        with pytest.raises(ImageError):
            decode(listed.read(index))
    for name in names[:2]:
        with pytest.raises(DataError, match="does not exist"):
            open_unlabelled([name])


def test_links_to_themselves_and_folders_that_cannot_be_listed_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightprobe.images.listing import list_folder

    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "shut").mkdir()
    for name in ("self", "cat/self", "cat/b.jpg"):
        (tmp_path / name).symlink_to(Path(name).name)
    scan = os.scandir

    def refusing(path: str) -> "os._ScandirIterator[str]":
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    listing = list_folder(tmp_path)
    assert listing.images == ["cat/a.jpg"]
    reasons = {one.path: one.reason for one in listing.skipped}
    assert reasons["shut"] == "cannot be listed: Permission denied"
    assert {"self", "cat/self", "cat/b.jpg"} <= reasons.keys()
