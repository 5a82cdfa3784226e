"""What the page does, without the page: answers as HTML, teaching, tables."""

import csv
import zipfile
from pathlib import Path

import pytest
from tests.serve.conftest import FIXED
from tests.serve.servers import photo
from tests.toys import CLASSES

from lightprobe import ImageClassifier, load
from lightprobe.errors import DataError, LightprobeError
from lightprobe.evidence.kept import keep
from lightprobe.images import open_images
from lightprobe.serve import Album, Desk, Service, originals


@pytest.fixture
def desk(service: Service, training_photos: Path) -> Desk:
    return Desk(service, Album(open_images(training_photos)))


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_a_photo_is_answered_with_shares_and_the_photos_that_argued(desk: Desk, tmp_path: Path) -> None:
    for kind in CLASSES:
        shown = desk.ask(put(tmp_path, f"{kind}.png", photo(kind, 300)))
        assert f"<strong>{kind}</strong>" in shown.answer
        assert max(shown.shares, key=shown.shares.__getitem__) == kind
        assert sum(shown.shares.values()) == pytest.approx(1, abs=1e-6)
        assert f"speak for {kind}" in shown.reasons
        assert shown.reasons.count('src="data:image/jpeg') >= 6


def test_what_is_taught_is_known_when_it_is_asked_again(desk: Desk, tmp_path: Path) -> None:
    shots = [put(tmp_path, f"{seed}.png", photo("plain", seed)) for seed in (500, 501, 502)]
    asked = put(tmp_path, "asked.png", photo("plain", 510))
    assert "zebra" not in desk.ask(asked).answer
    for shot in shots:
        said = desk.teach(shot, " zebra ")
    assert "this is zebra." in said
    assert "39 training photos of 4 classes" in said
    shown = desk.ask(asked)
    assert "<strong>zebra</strong>" in shown.answer
    assert "500.png" in shown.reasons, "the photos that were taught argue, and are shown"
    assert shown.reasons.count("lp-gone") == 0
    assert load(tmp_path / "model").n_train_ == 36
    assert str(tmp_path / "model") in desk.save()
    assert load(tmp_path / "model").n_train_ == 39


def test_a_photo_that_was_corrected_is_answered_so_whatever_the_others_say(
    desk: Desk, tmp_path: Path
) -> None:
    shot = put(tmp_path, "shot.png", photo("stripes", 500))
    desk.teach(shot, "noise")
    shown = desk.ask(shot)
    assert "<strong>noise</strong> <span>as it was taught</span>" in shown.answer
    assert "would say stripes" in shown.answer
    assert max(shown.shares, key=shown.shares.__getitem__) == "stripes", "the bars are the model's own"
    desk.teach(shot, "stripes")
    assert "<strong>stripes</strong>" in desk.ask(shot).answer
    assert "flatters" in desk.ask(shot).answer
    assert desk.facts["n_train"] == 37


def test_a_model_that_keeps_sums_is_taught_and_corrected_too(training_photos: Path, tmp_path: Path) -> None:
    model = ImageClassifier(**FIXED, pool="avg", encode="l2", kernel="linear", keep="sums")
    model.fit(training_photos)
    service = Service(model.fitted, tmp_path / "model", model.saved_parameters(), model.runtime)
    desk = Desk(service, Album())
    shot = put(tmp_path, "shot.png", photo("plain", 500))
    assert desk.ask(shot).reasons == "", "such a model keeps no photo's features, and cannot say why"
    desk.teach(shot, "noise")
    assert service.known_class(shot.read_bytes()) == "noise"
    assert "37 training photos of 3 classes" in desk.teach(shot, "disc")
    assert service.known_class(shot.read_bytes()) == "disc"
    service.close()


def test_a_broken_file_gets_a_sentence_wherever_it_is_given(desk: Desk, tmp_path: Path) -> None:
    broken = put(tmp_path, "broken <b>.jpg", b"\xff\xd8\xff no")
    shown = desk.ask(broken)
    assert "broken &lt;b&gt;.jpg: damaged or truncated JPEG." in shown.answer
    assert (shown.shares, shown.reasons) == ({}, "")
    with pytest.raises(LightprobeError, match="damaged"):
        desk.teach(broken, "disc")
    large = put(tmp_path, "large.png", photo("noise", 1) + b"0" * 20_000)
    assert "20000 are allowed" in desk.ask(large).answer
    with pytest.raises(DataError, match="allowed"):
        desk.teach(large, "disc")


def test_many_photos_and_zips_become_one_table(desk: Desk, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        for kind in CLASSES:
            archive.writestr(f"in/{kind}.png", photo(kind, 300))
        archive.writestr("in/large.png", b"0" * 30_000)
        archive.writestr("notes.txt", "no photo")
    good = put(tmp_path, "alone.png", photo("disc", 301))
    bad = put(tmp_path, "bad.png", b"no")
    table = tmp_path / "answers.csv"
    page = desk.ask_many([good, tmp_path / "some.zip", bad], table)
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [row["path"] for row in rows] == [
        "alone.png", "some.zip/in/disc.png", "some.zip/in/large.png", "some.zip/in/noise.png",
        "some.zip/in/stripes.png", "bad.png",
    ]  # fmt: skip
    assert [row["label"] for row in rows] == ["disc", "disc", "", "noise", "stripes", ""]
    assert [bool(row["error"]) for row in rows] == [False, False, True, False, False, True]
    assert "6 photos: " in page
    assert "2 unreadable" in page


@pytest.mark.parametrize(("n", "words"), [(41, "41 photos, and 40 at a time"), (0, "no photos in this")])
def test_too_many_and_none_are_refused(desk: Desk, tmp_path: Path, n: int, words: str) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for place in range(n):
            archive.writestr(f"{place}.png", b"x")
    with pytest.raises(DataError, match=words):
        desk.ask_many([tmp_path / "many.zip"], tmp_path / "answers.csv")


def test_a_training_photo_is_shown_only_if_it_is_the_very_one(
    service: Service, training_photos: Path
) -> None:
    album = Album(open_images(training_photos))
    name, digest = next(iter(service.digests.items()))
    picture = album.picture(name, digest)
    assert picture is not None
    assert picture.startswith("data:image/jpeg;base64,")
    assert album.picture(name, bytes(20)) is None, "a file that has changed since"
    assert album.picture("elsewhere.png", digest) is None
    assert Album().picture(name, digest) is None


def test_originals_are_found_where_the_run_says_they_lie(training_photos: Path, tmp_path: Path) -> None:
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    assert originals(model, None) is None
    images = open_images(training_photos)
    keep(model.parent, images, [], images.classes, "lightprobe train", "", data=str(training_photos))
    found = originals(model, None)
    assert found is not None
    assert len(found) == 36
    keep(model.parent, images, [], images.classes, "lightprobe train", "", data=str(tmp_path / "gone"))
    assert originals(model, None) is None
    with pytest.raises(DataError, match="gone"):
        originals(model, str(tmp_path / "gone"))
