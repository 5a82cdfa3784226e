"""Pages in a real browser: what it says of them, by widths and by light and dark."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.report.pages import HOSTILE, keep_answers, train_row, write_rows
from tests.report.test_study_pages import layer

from lightprobe.json_text import to_json
from lightprobe.report import write_report
from lightprobe.runs.artifacts import ARTIFACTS

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
@pytest.mark.parametrize("kind", ["model", "study"])
def test_a_page_fits_loads_nothing_and_passes_axe(
    kind: str, size: tuple[int, int], scheme: str, browser: Any, tmp_path: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    if kind == "model":
        rows = [train_row()]
        keep_answers(tmp_path, HOSTILE)
    else:
        rows = [
            layer(cut, kernel, accuracy, parameters)
            for cut, accuracy, parameters in (("end", 0.9, 10**6), ("start", 0.8, 10**4))
            for kernel in ("linear", "optical")
        ]
    write_rows(tmp_path, *rows)
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    requests: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    address = write_report(tmp_path).resolve().as_uri()
    page.goto(address)
    assert [url for url in requests if url != address and not url.startswith("data:")] == []
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
    context.close()


@pytest.fixture
def explored(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Open the page of a run with a map of all its photos, a picture for each of the first forty."""
    classes = ("daisy", "rose", "tulip")
    write_rows(tmp_path, train_row())
    keep_answers(tmp_path, classes)
    places = np.random.default_rng(0).random((60, 2)).round(3).tolist()
    told = {
        "photos": list(range(60)),
        "places": places,
        "by": "t-SNE",
        "n_tiles": 40,
        "columns": 7,
        "side": 8,
    }
    (tmp_path / ARTIFACTS / "map.json").write_text(to_json(told), encoding="utf-8")
    Image.new("RGB", (56, 48), "red").save(tmp_path / ARTIFACTS / "tiles.jpg")
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(write_report(tmp_path).resolve().as_uri())
    yield page
    page.close()


def test_a_cell_shows_its_photos_and_each_can_be_enlarged_by_keys(explored: Any) -> None:
    cell = explored.locator("td[data-cell='0 0 1'] button")
    n = int(cell.inner_text())
    cell.focus()
    explored.keyboard.press("Enter")
    panel = explored.locator(".cell-photos")
    assert panel.locator("h3").inner_text() == f"daisy, called rose: {n} photos"
    assert panel.locator("li").count() == n
    explored.keyboard.press("Tab")
    explored.keyboard.press("Enter")
    dialog = explored.locator("dialog[open]")
    first = dialog.locator("#enlarged").inner_text()
    assert "is daisy, called rose" in first
    explored.keyboard.press("ArrowRight")
    assert dialog.locator("#enlarged").inner_text() != first
    explored.keyboard.press("Escape")
    assert explored.locator("dialog[open]").count() == 0
    cell.click()
    assert explored.locator(".cell-photos").count() == 0


def test_a_threshold_says_how_many_are_answered_and_how_many_of_them_rightly(explored: Any) -> None:
    # The made-up answers are 0.5 to 0.9 sure; of those above 0.8, by hand: 23 to 29, of which 25 is wrong.
    explored.locator("#threshold").fill("80")
    said = explored.locator("output").inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "Answers only above 80 %" in said
    assert "7 of 30 test photos answered (23.3 %), 85.7 % of them right" in said


def test_the_map_is_walked_by_keys_and_a_class_singled_out(explored: Any) -> None:
    explored.locator(".stage").focus()
    explored.keyboard.press("ArrowRight")
    explored.keyboard.press("ArrowRight")
    assert ".jpg" in explored.locator(".said").inner_text()
    assert explored.locator(".tip").is_visible()
    explored.keyboard.press("Enter")
    assert explored.locator("dialog[open] #enlarged").inner_text()
    explored.keyboard.press("Escape")
    explored.locator(".legend button", has_text="rose").click()
    assert explored.locator(".map g.dim").count() == 2


def test_without_scripts_a_page_shows_tables_pictures_and_map(browser: Any, tmp_path: Path) -> None:
    write_rows(tmp_path, train_row())
    keep_answers(tmp_path, ("daisy", "rose", "tulip"))
    page = browser.new_page(java_script_enabled=False)
    page.goto(write_report(tmp_path).resolve().as_uri())
    assert page.locator("button, input").count() == 0
    assert "90 %" in page.locator("table").nth(4).inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert page.locator(".gallery img").first.is_visible()
    page.close()
