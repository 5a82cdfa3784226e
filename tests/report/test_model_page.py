import hashlib
import re
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.report.pages import HOSTILE, keep_answers, read_page, train_row, write_rows

from lightprobe import ImageClassifier
from lightprobe.errors import DataError
from lightprobe.images import open_images
from lightprobe.json_text import to_json
from lightprobe.report import comparison_section, write_report
from lightprobe.report.quality import commonest_confusion
from lightprobe.runs import photo_map
from lightprobe.runs.artifacts import (
    ARTIFACTS,
    QUALITY,
    SIDE,
    Answer,
    least_sure,
    read_artifacts,
    surest_mistakes,
    thumbnail_path,
)
from lightprobe.runs.photo_map import heat_path
from lightprobe.runs.training_run import train

CLASSES = ("daisy", "rose", "tulip")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_rows(tmp_path / "run", train_row())
    keep_answers(tmp_path / "run", CLASSES)
    return tmp_path / "run"


def test_a_page_says_how_good_the_model_is_and_what_it_confuses(run: Path) -> None:
    page = read_page(write_report(run))
    for words in (
        "3 classes, 80.0 % right",
        "90.0 %",
        "63.0 to 90.0 %",
        "tulip",
        "is daisy, called rose",
        "all bits are ones",
        "lightprobe train photos",
        "scikit-learn",
        "Seed 0",
        "looking at photos",
    ):
        assert words in page.text, words
    assert page.tags.count("h1") == 1


def test_a_page_is_one_file_with_no_script_but_its_own_and_no_address_and_names_every_picture(
    run: Path,
) -> None:
    path = write_report(run)
    page = read_page(path)
    assert path.stat().st_size < 3_000_000
    text = path.read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [value for tag, name, value in page.attributes if value.startswith("default-src 'none'")]
    assert f"script-src 'sha256-{digest}'" in policy
    assert page.tags.count("script") == 2  # the other is the data that it reads
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "href", "xlink:href", "action"):
            assert value.startswith(("data:", "#")), (tag, name, value)
    assert "url(http" not in path.read_text(encoding="utf-8")
    pictures = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    drawings = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(pictures) == page.tags.count("img") > 0
    assert len(drawings) == page.tags.count("svg") == 2
    assert all(pictures)
    assert all(drawings)


def test_names_in_a_page_are_unique_though_figures_share_a_maker(run: Path) -> None:
    ids = [value for _, name, value in read_page(write_report(run)).attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_hostile_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    run = tmp_path / "run"
    row = train_row(backbone="<img src=x onerror=alert(1)>")
    write_rows(run, row)
    keep_answers(run, HOSTILE)
    path = write_report(run)
    page = read_page(path)
    assert page.tags.count("script") == 2
    assert not [a for a in page.attributes if a[1].startswith("on")]
    for name in HOSTILE:
        assert name in page.text
    assert "49" not in re.findall(r"etc \$x\$ & (\S+)", page.text)
    outside = [p for p in tmp_path.rglob("*.jpg") if p.parent != run / ARTIFACTS / "thumbnails"]
    assert outside == []


def test_the_same_run_gives_the_same_page(run: Path) -> None:
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_without_evidence_there_is_still_a_page(tmp_path: Path) -> None:
    write_rows(tmp_path, train_row(test_accuracy=None, test_accuracy_ci95=None, n_test=0))
    assert "3 classes, 90.0 % right" in read_page(write_report(tmp_path)).text


def test_several_runs_in_one_folder_stand_side_by_side(tmp_path: Path) -> None:
    write_rows(tmp_path, train_row(), train_row(method="fine-tune", test_accuracy=0.85, loo_accuracy=None))
    page = read_page(write_report(tmp_path))
    assert "fine-tune is the most accurate of 2 runs: 85.0 %" in page.text


def test_test_photos_that_surprise_are_pointed_out(tmp_path: Path) -> None:
    write_rows(tmp_path, train_row(loo_accuracy=0.99))
    assert "worse than leave-one-out led to expect" in read_page(write_report(tmp_path)).text


def test_many_classes_are_shown_by_their_commonest_confusions(tmp_path: Path) -> None:
    classes = tuple(f"class {i}" for i in range(30))
    write_rows(tmp_path, train_row(n_classes=30))
    keep_answers(tmp_path, classes, n=120)
    text = read_page(write_report(tmp_path)).text
    assert "The commonest confusions" in text
    assert "Rows are the true classes" not in text


def test_a_training_keeps_what_its_page_needs_and_the_page_needs_no_model(
    toy_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    classifier = ImageClassifier(image_size=64, precision="fp32", device="cpu", pool="avg")
    row = train(open_images(toy_folder), classifier, out, command="lightprobe train toys")
    evidence = read_artifacts(out)
    assert evidence is not None
    by_split = {s: [a for a in evidence.answers if a.split == s] for s in ("left-out", "test")}
    assert {s: len(a) for s, a in by_split.items()} == {"left-out": 36, "test": 12}
    assert sum(a.right for a in by_split["left-out"]) / 36 == pytest.approx(row["loo_accuracy"])
    assert sum(a.right for a in by_split["test"]) / 12 == pytest.approx(row["test_accuracy"])
    for path in sorted((out / "model").iterdir()):
        path.unlink()
    page = read_page(write_report(out))
    assert page.tags.count("img") > 0
    assert "lightprobe train toys" in page.text


def test_damaged_artifacts_are_named(run: Path) -> None:
    (run / ARTIFACTS / "answers.csv").write_text("split,path\nleft-out,x\n", encoding="utf-8")
    with pytest.raises(DataError, match="artifacts is damaged"):
        write_report(run)


def test_a_folder_without_rows_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no rows\.jsonl"):
        write_report(tmp_path)


def test_a_comparison_says_how_far_the_closed_form_is_from_each_method_by_gradients() -> None:
    ours = train_row(seconds_to_99=20.0, train_seconds=20.0, search_seconds=0.0, images_per_second=400.0)
    theirs = train_row(
        method="fine-tune", test_accuracy=0.85, seconds_to_99=400.0, train_seconds=700.0,
        search_seconds=120.0,
        loo_accuracy=None, n_train=50, n_validation=10, images_per_second=200.0,
    )  # fmt: skip
    section = comparison_section([ours, theirs])
    said = section.sentences[1].replace("\N{NO-BREAK SPACE}", " ")
    assert "optical against fine-tune: −5.0 points on 30 test photos, in 5 % of the 6.7 min" in said
    assert "2.0 min of looking for a learning rate not counted" in said
    (table,) = section.tables
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert first["run"] == "fine-tune"
    assert (first["seconds"], first["to 99 % of its best"], first["photos"]) == ("11.7 min", "6.7 min", "60")
    untimed = comparison_section([train_row(), train_row(backbone="resnet18")])
    assert len(untimed.sentences) == 1
    assert "images/s" not in untimed.tables[0].columns


def test_confusions_are_those_of_more_mistakes() -> None:
    left_out = np.array([[90, 10, 0], [2, 98, 0], [0, 0, 100]])
    test = np.array([[8, 0, 0], [0, 8, 0], [1, 0, 7]])
    names = {"left-out photos": left_out, "test photos": test}
    assert commonest_confusion(names, CLASSES) == (
        "Most often, daisy is called rose: 10 of the 100 left-out photos of daisy."
    )
    assert commonest_confusion({"left-out photos": test, "test photos": left_out}, CLASSES).endswith(
        "10 of the 100 test photos of daisy."
    )
    assert "No two classes are confused more than once" in commonest_confusion({"test photos": test}, CLASSES)
    assert commonest_confusion({"test photos": np.eye(3, dtype=np.int64)}, CLASSES) == "Nothing is confused."


def test_the_least_sure_answers_are_none_of_the_surest_mistakes() -> None:
    answers = [Answer("test", f"{i}", "a", "b" if i < 4 else "a", 0.5, "c", 0.49, 0.1) for i in range(9)]
    assert {a.path for a in surest_mistakes(answers)} == {"0", "1", "2", "3"}
    assert {a.path for a in least_sure(answers)} == {"4", "5", "6", "7", "8"}


def test_very_many_classes_fill_no_paragraph(tmp_path: Path) -> None:
    classes = tuple(f"product {i}" for i in range(81))
    write_rows(tmp_path, train_row(n_classes=81))
    keep_answers(tmp_path, classes, n=243, pictures=False)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    paragraphs = re.findall(r"<p[^>]*>(.*?)</p>", page, flags=re.DOTALL)
    assert any("81 classes" in one and "and 71 more" in one for one in paragraphs)
    assert max(one.count("product") for one in paragraphs) <= 10


@pytest.mark.slow
def test_a_page_of_very_many_photos_and_classes_stays_below_ten_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    classes = tuple(f"kind of product number {i}" for i in range(200))
    write_rows(tmp_path, train_row(n_classes=200, n_train=50_000, n_test=10_000))
    answers = keep_answers(tmp_path, classes, n=50_000, pictures=False)
    for answer in {*surest_mistakes(answers[:50_000]), *least_sure(answers[:50_000])} | {
        *surest_mistakes(answers[50_000:]),
        *least_sure(answers[50_000:]),
    }:  # noise is what JPEG is worst at
        picture = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
        picture.save(thumbnail_path(tmp_path, answer.path), quality=QUALITY)
        heat_path(tmp_path, answer.path).parent.mkdir(exist_ok=True)
        picture.resize((224, 224)).save(heat_path(tmp_path, answer.path), quality=75)
    tile = photo_map.SIDE
    tiles = [
        Image.fromarray(one) for one in rng.integers(0, 256, (photo_map.MOST, tile, tile, 3), dtype=np.uint8)
    ]
    jpeg, n_tiles = photo_map._sheet(tiles, 45, tile)
    (tmp_path / ARTIFACTS / photo_map.TILES).write_bytes(jpeg)
    told = {
        "photos": photo_map.choose_photos(answers).tolist(),
        "places": rng.random((photo_map.MOST, 2)).round(4).tolist(),
        "by": "t-SNE", "n_tiles": n_tiles, "columns": 45, "side": tile,
    }  # fmt: skip
    (tmp_path / ARTIFACTS / photo_map.MAP).write_text(to_json(told), encoding="utf-8")
    path = write_report(tmp_path)
    assert 1000 < n_tiles <= photo_map.MOST
    assert path.stat().st_size < 10_000_000
    page = read_page(path)
    assert page.tags.count("circle") == photo_map.MOST
