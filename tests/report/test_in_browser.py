"""Pages in a real browser: what it says of them, by widths and by light and dark."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.report.pages import HOSTILE, keep_answers, train_row, write_rows
from tests.report.test_study_pages import layer

from lightprobe.report import write_report

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
