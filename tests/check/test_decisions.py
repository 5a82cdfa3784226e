"""Findings are accepted or rejected in the page: what is offered, and what is downloaded."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightprobe.check import Check, write_report
from lightprobe.check.decisions import choices, moved
from lightprobe.check.findings import KINDS, Finding, worst_first
from lightprobe.csv_text import read_csv
from lightprobe.images import open_images
from lightprobe.runs import read_relabelling, read_removals

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATHS = ["0", "1", "caf\udce9, 2"]


SPLITS = {"a/1.jpg": "test", "b/2.jpg": "train"}


def findings() -> list[Finding]:
    return worst_first(
        [
            Finding(PATHS[0], "suspicious-label", "looks wrong", "b"),
            Finding(PATHS[1], "duplicate", "the same", "keep one of them", PATHS[0]),
            Finding(PATHS[2], "unreadable", "is damaged", "replace it"),
            Finding("a", "small-class", "few", "add some"),
        ]
    )


@pytest.mark.parametrize(
    ("path", "label", "expected"),
    [
        ("train/rose/7.jpg", "rose", "train/tulip/7.jpg"),
        ("rose/rose/7.jpg", "rose", "rose/tulip/7.jpg"),
        ("train/Fruit/Apple/x/7.jpg", "Fruit/Apple", "train/tulip/x/7.jpg"),
        ("7.jpg", "rose", "tulip/7.jpg"),
        ("rose.jpg", "rose.jpg", "tulip/rose.jpg"),
    ],
)
def test_a_relabelled_photo_moves_to_the_folder_of_its_class(path: str, label: str, expected: str) -> None:
    assert moved(path, label, "tulip") == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_offers_what_can_be_done_about_it(kind: str) -> None:
    other = "b/2.jpg" if kind in ("conflicting-label", "leak", "duplicate", "near-duplicate") else ""
    offered = choices(Finding("a/1.jpg", kind, "", "b", other), {"a/1.jpg": "a", "b/2.jpg": "b"}, SPLITS)
    removals = [choice["remove"] for choice in offered if choice["remove"]]
    if kind in ("mixed-classes", "small-class", "imbalance"):
        assert offered == []
    elif other:
        first, second = ("b/2.jpg", "a/1.jpg") if kind == "leak" else ("a/1.jpg", "b/2.jpg")
        assert removals[:2] == [[first], [second]]
    else:
        assert removals == [["a/1.jpg"]]
    relabelled = [choice["relabel"] for choice in offered if choice["relabel"]]
    assert relabelled == ([[["a/1.jpg", "b", "b/1.jpg"]]] if kind == "suspicious-label" else [])


def test_a_table_of_removals_stands_for_its_photos(tmp_path: Path) -> None:
    (tmp_path / "remove.csv").write_text('path\r\n1.jpg\r\n"a, b.jpg"\r\n', encoding="utf-8")
    assert read_removals(["0.jpg", str(tmp_path / "remove.csv")]) == ["0.jpg", "1.jpg", "a, b.jpg"]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    images = open_images((np.zeros((3, 8, 8, 3), np.uint8), ["a", "a", "b"]))
    object.__setattr__(images, "paths", tuple(PATHS))
    html = write_report(Check(findings(), 3), images, tmp_path)["html"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(accept_downloads=True)
        page.set_default_timeout(20_000)
        page.goto(Path(html).resolve().as_uri())
        yield page
        browser.close()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_what_is_accepted_is_downloaded_as_tables_that_update_reads(page: Any, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    def download(name: str) -> Path:
        with page.expect_download() as event:
            page.get_by_role("button", name=name).click()
        event.value.save_as(tmp_path / name)
        return tmp_path / name

    assert page.locator("fieldset").count() == 3
    assert page.get_by_role("button", name="remove.csv").is_disabled()
    page.get_by_label("accept: it is b").focus()
    page.keyboard.press("Space")
    page.get_by_label("accept: remove the photo").first.check()
    page.get_by_label("reject").last.check()
    assert page.locator("[role=status]").inner_text().startswith("2 accepted, 1 rejected, 0 undecided")
    assert read_relabelling(download("relabel.csv")) == {PATHS[0]: "b"}
    assert read_removals([str(download("remove.csv"))]) == [PATHS[2]]
    plan = {row["path"]: row["new_path"] for row in read_csv(download("plan.csv"))}
    assert plan == {PATHS[2]: "", PATHS[0]: f"b/{PATHS[0]}"}
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
