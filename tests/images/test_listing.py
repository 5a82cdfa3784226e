import json
import os
import random
import stat
import zipfile
from pathlib import Path

import pytest
from tests.images.toy_photos import encoded, pixels, write_photo

from lightprobe.errors import DataError
from lightprobe.images import count_skipped, open_images, open_unlabelled
from lightprobe.images.files import ZipSource
from lightprobe.images.kinds import own_files, suffix_of
from lightprobe.images.listing import NAMED_SKIPS, Listing, list_folder

JPEG = encoded(pixels(), "JPEG")
NAMES = (
    *("a.jpg", "b.PNG", "c.mpo", "d.hif", "e.jp2", "f", "g.jpg_large", "h.txt", "i.json", "j.csv", "k.nef"),
    *("l.zip", "m.unheard", "Thumbs.db", ".DS_Store", "desktop.ini", "features.npz"),
    *("é.jpg", "o.tmp", "p.webp", "q.bmp"),
)  # fmt: skip
FOLDERS = (
    *("cat", "dog", "dog/deep", "empty", ".git", "$RECYCLE.BIN", "System Volume Information", "lost+found"),
    *("#recycle", "cat/@eaDir", "__MACOSX/cat", "run", "run/artifacts/thumbnails", "model", "checked"),
)


def grow(root: Path, seed: int) -> Path:
    """Make a tree at random: every folder gets some of the names, some links lead nowhere or back."""
    rng = random.Random(seed)
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in rng.sample(NAMES, rng.randrange(len(NAMES))) if folder != "empty" else ():
            (root / folder / name).write_bytes(rng.choice((JPEG, b"no image at all", b"")))
    for number in range(rng.randrange(30)):
        (root / "cat" / f"label {number}.txt").write_text("x", encoding="utf-8")
    (root / "run" / "rows.jsonl").write_text('{"method": "optical"}\n', encoding="utf-8")
    for name in ("config.json", "model.safetensors", "README.md"):
        (root / "model" / name).write_text("{}", encoding="utf-8")
    for name in ("check.csv", "check.html"):
        (root / "checked" / name).write_text("", encoding="utf-8")
    (root / "cat" / "1.jpg").write_bytes(JPEG)
    (root / "dog" / "1.jpg").write_bytes(JPEG)
    return root


def link(root: Path, seed: int) -> None:
    rng = random.Random(seed)
    for name, target in (
        ("fox", "/no/where/fox"),
        ("cat/x.jpg", "/no/x.jpg"),
        ("dog/loop", ".."),
        ("me", "me"),
    ):
        if rng.random() < 0.7:
            try:
                (root / name).symlink_to(target)
            except OSError:
                pytest.skip("this system makes no symbolic links")


def lying(root: Path) -> list[str]:
    """All files and links of a tree, found without lightprobe."""
    found = []
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in (*files, *links)]
    return found


def require_whole(tree: Listing, lie: list[str]) -> None:
    """Every file is in one of the three lists, and their counts are those of the files."""
    images, shut = set(tree.images), tree.not_meant
    named = {one.path for one in tree.skipped}
    patterns = {one.path for one in tree.skipped if one.count > 1}
    for name in lie:
        pattern = f"{name.rpartition('/')[0]}/*{suffix_of(name.rpartition('/')[2])}"
        places = (
            name in images,
            name in named or pattern in patterns,
            any(name == one or name.startswith(f"{one}/") for one in shut),
        )
        assert sum(places) == 1, (name, places)
    inside = sum(any(name == one or name.startswith(f"{one}/") for one in shut) for name in lie)
    assert len(images) + count_skipped(tree.skipped) + inside == len(lie)


@pytest.mark.parametrize("seed", range(12))
def test_used_skipped_and_not_meant_add_up_to_what_lies_there(tmp_path: Path, seed: int) -> None:
    root = grow(tmp_path / "d", seed)
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name in sorted(lying(root)):
            archive.write(root / name, name)
    require_whole(ZipSource(tmp_path / "d.zip").listing, lying(root))
    link(root, seed)
    tree = list_folder(root)
    require_whole(tree, lying(root))
    images = open_images(root)
    empty = sum(one.reason == "a folder without images" and one.count for one in images.skipped)
    assert len(images) + count_skipped(images.skipped) - empty == len(tree.images) + count_skipped(
        tree.skipped
    )
    assert {"cat", "dog"} <= set(images.classes) <= {"cat", "dog", "model", "checked"}


def test_images_without_a_known_extension_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    for name in ("1.mpo", "2.hif", "3", "4.pjpeg", "5.jpg_large"):
        (tmp_path / "cat").mkdir(exist_ok=True)
        (tmp_path / "cat" / name).write_bytes(JPEG)
    for name, content in (
        ("6", b"BMW is no bitmap"),
        ("7.jp2", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("8.x", b"P1 a text"),
        ("9.nef", b"II*\0"),
    ):
        (tmp_path / "cat" / name).write_bytes(content)
    write_photo(tmp_path / "dog" / "1.jpg")
    images = open_images(tmp_path)
    assert [path.rpartition("/")[2] for path in images.paths] == [
        "1.mpo",
        "2.hif",
        "3",
        "4.pjpeg",
        "5.jpg_large",
        "1.jpg",
    ]
    reasons = {one.path: one.reason for one in images.skipped}
    assert set(reasons) == {"cat/6", "cat/7.jp2", "cat/8.x", "cat/9.nef"}
    assert "raw" in reasons["cat/9.nef"]
    assert all(one.fault for one in images.skipped)
    assert len(open_unlabelled(tmp_path)) == 6, "predicting sees the same photos"


def test_a_class_folder_that_is_a_link_to_nowhere_is_told(tmp_path: Path) -> None:
    write_photo(tmp_path / "cat" / "1.jpg")
    write_photo(tmp_path / "dog" / "1.jpg")
    (tmp_path / "fox").symlink_to("/nowhere/fox")
    (skipped,) = open_images(tmp_path).skipped
    assert (skipped.path, skipped.reason) == ("fox", "a link that leads nowhere")


def test_many_files_of_one_kind_are_one_line_that_counts_them(tmp_path: Path) -> None:
    write_photo(tmp_path / "cat" / "1.jpg")
    write_photo(tmp_path / "dog" / "1.jpg")
    for number in range(NAMED_SKIPS + 1):
        (tmp_path / "cat" / f"{number}.txt").write_text("0 0.5 0.5", encoding="utf-8")
    (skipped,) = open_images(tmp_path).skipped
    assert (skipped.path, skipped.count, skipped.fault) == ("cat/*.txt", NAMED_SKIPS + 1, False)
    assert skipped.reason.startswith(f"{NAMED_SKIPS + 1} files: ")


def test_a_folder_with_other_peoples_rows_stays_a_class_and_a_run_is_none(tmp_path: Path) -> None:
    for name in ("cat", "dog", "run"):
        write_photo(tmp_path / name / "1.jpg")
    (tmp_path / "dog" / "rows.jsonl").write_text('{"id": 1, "text": "a"}\n', encoding="utf-8")
    (tmp_path / "run" / "rows.jsonl").write_text('{"method": "optical"}\n', encoding="utf-8")
    assert open_images(tmp_path).classes == ("cat", "dog")
    with pytest.raises(
        DataError, match="run is what lightprobe wrote of a run: give the folder of the photos"
    ):
        open_images(tmp_path / "run")


def test_a_model_or_a_check_beside_photos_hides_none_of_them() -> None:
    assert own_files({"config.json", "1.jpg"}) == set()
    assert own_files({"config.json", "model.safetensors", "README.md", "1.jpg"}) == {
        *("config.json", "model.safetensors", "README.md")
    }
    assert own_files({"check.csv", "check.html", "1.jpg"}) == {"check.csv", "check.html"}


def test_a_zip_tells_of_empty_classes_links_doubles_and_names_that_lead_out(tmp_path: Path) -> None:
    path = tmp_path / "d.zip"
    shortcut = zipfile.ZipInfo("cat/link.jpg")
    shortcut.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("./cat/1.jpg", JPEG)
        archive.writestr("../dog//1.jpg", JPEG)
        archive.writestr(shortcut, "1.jpg")
        archive.mkdir("fox")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("./cat/1.jpg", b"second")
    images = open_images(path)
    assert images.paths == ("cat/1.jpg", "dog/1.jpg")
    assert images.read(0) == b"second", "the last one counts, as for whoever unpacks it"
    assert {one.path: one.reason for one in images.skipped} == {
        "cat/link.jpg": "a link, and links in zips are not followed",
        "cat/1.jpg": "stands in the zip a second time",
        "fox": "a folder without images",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_without_extension_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert [one.reason for one in list_folder(tmp_path).skipped] == ["not a regular file"]


def test_rows_of_every_kind_tell_a_run(tmp_path: Path) -> None:
    for kind in ("method", "study", "epoch"):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "rows.jsonl").write_text(json.dumps({kind: 1}), encoding="utf-8")
    assert list_folder(tmp_path).not_meant == ["epoch", "method", "study"]
