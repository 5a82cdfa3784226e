import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.check.pictures import photo_folder, picture

from lightprobe.check import KINDS, Check, check
from lightprobe.cli import main
from lightprobe.images import open_images
from lightprobe.runtime import Runtime

RUNTIME = Runtime(precision="fp32", device="cpu")
HOW = ("--image-size", "64", "--precision", "fp32", "--device", "cpu", "-q")


pytestmark = pytest.mark.usefixtures("module_cache")


def look(root: Path, **options: str) -> Check:
    return check(open_images(root, **options), RUNTIME, image_size=64)


def kinds(found: Check) -> dict[str, list[str]]:
    return {kind: [f.path for f in found.findings if f.kind == kind] for kind in found.counts()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_folder(tmp_path_factory.mktemp("drawn") / "photos", n=22)


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "photos"))


def test_clean_photos_have_no_findings(photos: Path) -> None:
    found = look(photos)
    assert found.findings == []
    assert found.loo_accuracy is not None
    assert found.loo_accuracy > 0.9


@pytest.mark.real_network
def test_each_planted_fault_is_found_under_its_kind(photos: Path) -> None:
    cold, warm = photos / "cold", photos / "warm"
    shutil.copy(cold / "c1x.jpg", cold / "again.jpg")
    Image.open(cold / "c2x.jpg").crop((10, 8, 150, 113)).save(cold / "crop.jpg", quality=80)
    shutil.copy(warm / "w3x.jpg", cold / "astray.jpg")
    (warm / "cut.jpg").write_bytes((warm / "w4x.jpg").read_bytes()[:900])
    Image.new("RGB", (50, 50), "white").save(warm / "blank.png")
    picture(900, (30, 300)).save(warm / "tall.png")
    picture(901).save(warm / "liar.jpg", "PNG")
    picture(902).quantize(16).save(warm / "palette.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(903).save(warm / "turned.jpg", exif=turned)
    found = kinds(look(photos))
    assert found["duplicate"] == ["cold/c1x.jpg"], "the later one in natural order"
    assert found["near-duplicate"] == ["cold/crop.jpg"]
    assert found["conflicting-label"] == ["warm/w3x.jpg"]
    assert found["unreadable"] == ["warm/cut.jpg"]
    odd = ["blank.png", "liar.jpg", "palette.png", "tall.png", "turned.jpg"]
    assert sorted(set(found["odd"])) == [f"warm/{name}" for name in odd]


@pytest.mark.real_network
def test_a_test_photo_that_stands_in_training_is_a_leak(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn, tmp_path / "photos" / "train")
    for name in ("cold", "warm"):
        (tmp_path / "photos" / "test" / name).mkdir(parents=True)
        picture(len(name) + 700).save(tmp_path / "photos" / "test" / name / "own.jpg")
    seen = tmp_path / "photos" / "train" / "warm" / "w5x.jpg"
    Image.open(seen).resize((80, 60)).save(tmp_path / "photos" / "test" / "warm" / "seen.jpg")
    (leak,) = [f for f in look(tmp_path / "photos").findings if f.kind == "leak"]
    assert (leak.path, leak.other_path) == ("train/warm/w5x.jpg", "test/warm/seen.jpg")
    assert leak.suggestion == "remove it from train"


def test_a_label_that_looks_wrong_comes_with_the_right_one(photos: Path) -> None:
    (photos / "cold" / "c7x.jpg").rename(photos / "warm" / "moved.jpg")
    (suspect,) = [f for f in look(photos).findings if f.kind == "suspicious-label"]
    assert (suspect.path, suspect.suggestion) == ("warm/moved.jpg", "cold")


def test_whole_groups_are_left_out_where_there_are_any(photos: Path) -> None:
    found = look(photos, group=r"(\d)\d?x")
    assert found.groups is not None
    assert (found.groups.source, found.groups.n_groups) == ("given", 10)
    assert found.groups.leak == pytest.approx(100 * (found.groups.loo_accuracy - found.groups.group_accuracy))


def test_one_class_alone_is_still_checked(photos: Path) -> None:
    shutil.rmtree(photos / "warm")
    shutil.copy(photos / "cold" / "c1x.jpg", photos / "cold" / "again.jpg")
    found = look(photos)
    assert list(found.counts()) == ["duplicate"]
    assert found.loo_accuracy is None
    assert found.unjudged == "The photos are all of one class."


@pytest.mark.parametrize("sides", [(160, 160), (160, 120, 100)])
def test_one_picture_under_two_labels_is_found_though_nothing_else_can_be(
    sides: tuple[int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cold", "warm"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i, side in enumerate(sides):
            same = picture(3).resize((side, 3 * side // 4))
            same.save(tmp_path / "photos" / name / f"{i}.png")
    assert main(["check", str(tmp_path / "photos"), "--out", str(tmp_path / "out"), *HOW]) == 1
    said = capsys.readouterr().out
    assert "labels could not be judged" in said
    assert "conflicting-label" in (tmp_path / "out" / "check.csv").read_text()
    assert (tmp_path / "out" / "check.html").exists()


def test_the_command_writes_table_and_page_and_says_by_its_status_what_it_found(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["check", str(photos), "--out", str(out), *HOW]) == 0
    assert "0 findings" in capsys.readouterr().out
    shutil.copy(photos / "warm" / "w1x.jpg", photos / "cold" / "<b>&.jpg")
    (photos / "cold" / "bad.jpg").write_bytes(b"x")
    assert main(["check", str(photos), "--out", str(out), "--json", *HOW]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["counts"] == {"conflicting-label": 1, "unreadable": 1, "suspicious-label": 1}
    with (out / "check.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "kind", "evidence", "suggestion", "other_path"]
    ranks = [list(KINDS).index(row[1]) for row in rows[1:]]
    assert ranks == sorted(ranks)
    page = (out / "check.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;.jpg" in page
    assert "<b>&.jpg" not in page
    assert page.count("data:image/jpeg;base64,") == 3, "a pair stands side by side; a bad file has no picture"
    assert "://" not in page
    assert main(["check", str(tmp_path / "nowhere"), "--out", str(out), *HOW]) == 2
    assert main(["check", str(photos), "--out", str(out), "--strict", *HOW]) == 2


def test_a_report_in_place_of_a_file_is_refused(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("x", encoding="utf-8")
    assert main(["check", str(photos), "--out", str(tmp_path / "mine"), *HOW]) == 2
    assert "is a file" in capsys.readouterr().err


def test_photos_in_memory_are_checked_too() -> None:
    pixels = np.stack([np.asarray(picture(i)) for i in range(6)] + [np.asarray(picture(2))])
    found = check(open_images((pixels, list("abababb"))), Runtime(device="cpu"), image_size=64)
    assert "conflicting-label" in found.counts()
