"""The page in a real browser: asked, taught, given broken files, by two at once, and all on this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.serve.servers import Server, photo
from tests.toys import CLASSES

pytest.importorskip("gradio", reason="the extra web is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from lightprobe import load
from lightprobe.images import open_images
from lightprobe.serve import Album, PageActions, Service, add_page, create_app

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path"),
    pytest.mark.filterwarnings("default"),  # the browser's and Gradio's own
]
PATIENCE = 120_000  # milliseconds
SAID = "#answer .lp-answer, #answer .lp-refusal"


class Visitor:
    """Someone at a browser of their own."""

    def __init__(self, browser: Any, address: str, **how: Any) -> None:
        self.context = browser.new_context(**how)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.page.locator("#photo input[type=file]").first.wait_for(state="attached")

    def _heard(self, said: Any) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def drop(self, path: Path) -> str:
        """Give a photo and return the answer, once there is one."""
        if self.page.locator(SAID).count():
            self.page.locator("#photo").get_by_label("Remove Image").click()
            self.page.locator(SAID).wait_for(state="detached")
        self.page.locator("#photo input[type=file]").first.set_input_files(path)
        self.page.locator(SAID).wait_for()
        return self.answer()

    def answer(self) -> str:
        return str(self.page.locator(SAID).inner_text())

    def teach(self, label: str) -> str:
        """Say what the photo really is, and return what came of it."""
        self.page.locator("#taught .lp-notice").wait_for(state="detached")
        self.page.get_by_label("This is really a …").fill(label)
        self.page.keyboard.press("Enter")
        self.page.locator("#teach").click()
        self.page.locator("#taught .lp-notice").wait_for()
        return str(self.page.locator("#taught").inner_text())

    def left_in_peace(self) -> bool:
        """Whether everything came from this machine, and the console has no errors."""
        assert self.errors == []
        hosts = {urlsplit(url).hostname for url in self.asked if url.startswith("http")}
        assert hosts == {"127.0.0.1"}
        return True


@pytest.fixture
def server(service: Service, training_photos: Path, tmp_path: Path) -> Iterator[Server]:
    report = tmp_path / "report.html"
    report.write_text('<!doctype html><html lang="en"><title>Report</title><h1>How it went</h1></html>')
    app = create_app(service, allow_teaching=True, report=report)
    actions = PageActions(service, Album(open_images(training_photos)))
    add_page(app, actions, service.limits, allow_teaching=True, report=report)
    server = Server(app)
    yield server
    server.close()


@pytest.fixture
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def shots(tmp_path: Path) -> dict[str, Path]:
    paths = {}
    for kind in (*CLASSES, "plain"):
        for seed in range(300, 304):
            paths[f"{kind} {seed}"] = tmp_path / f"{kind} {seed}.png"
            paths[f"{kind} {seed}"].write_bytes(photo(kind, seed))
    paths["broken"] = tmp_path / "broken.jpg"
    paths["broken"].write_bytes(b"\xff\xd8\xff no photo")
    return paths


def test_a_photo_is_answered_corrected_and_answered_as_corrected(
    server: Server, browser: Any, shots: dict[str, Path], tmp_path: Path
) -> None:
    visitor = Visitor(browser, server.address)
    assert visitor.drop(shots["disc 300"]).startswith("disc")
    reasons = visitor.page.locator("#reasons")
    reasons.get_by_text("Training photos that speak for disc").wait_for()
    assert reasons.locator("img").count() >= 6
    assert "37 training photos of 3 classes" in visitor.teach("noise")
    assert visitor.answer().startswith("noise as it was taught")
    assert visitor.drop(shots["disc 300"]).startswith("noise as it was taught")
    for seed in range(300, 303):
        visitor.drop(shots[f"plain {seed}"])
        said = visitor.teach("zebra")
    assert "of 4 classes" in said
    assert visitor.drop(shots["plain 303"]).startswith("zebra")
    assert "zebra" in visitor.page.locator("h1").inner_text()
    assert load(tmp_path / "model").n_train_ == 36
    visitor.page.locator("#save").click()
    visitor.page.get_by_text("Saved to").wait_for()
    assert load(tmp_path / "model").n_train_ == 40
    assert visitor.left_in_peace()


def test_a_broken_file_gets_a_sentence_and_the_next_photo_its_answer(
    server: Server, browser: Any, shots: dict[str, Path]
) -> None:
    visitor = Visitor(browser, server.address)
    assert "damaged or truncated JPEG" in visitor.drop(shots["broken"])
    assert not visitor.page.locator("#teach").is_visible()
    assert visitor.drop(shots["stripes 301"]).startswith("stripes")
    visitor.page.get_by_role("tab", name="Many photos").click()
    visitor.page.locator("#files input[type=file]").first.set_input_files(
        [shots["disc 301"], shots["broken"], shots["noise 301"]]
    )
    visitor.page.get_by_text("3 photos: ").wait_for()
    assert "1 unreadable" in visitor.page.get_by_text("3 photos: ").inner_text()
    assert visitor.page.locator("#table tbody tr").count() == 3
    with visitor.page.expect_download() as download:
        visitor.page.locator("#csv").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "path,label,probability,unknown,error"
    assert len(lines) == 4
    visitor.page.get_by_role("tab", name="Model").click()
    visitor.page.frame_locator("iframe").get_by_text("How it went").wait_for()
    assert visitor.left_in_peace()


def test_two_visitors_at_once_each_get_their_own_answer_and_what_the_other_taught(
    server: Server, browser: Any, shots: dict[str, Path]
) -> None:
    one = Visitor(browser, server.address)
    other = Visitor(browser, server.address)
    one.page.locator("#photo input[type=file]").first.set_input_files(shots["disc 302"])
    other.page.locator("#photo input[type=file]").first.set_input_files(shots["noise 302"])
    for visitor, kind in ((other, "noise"), (one, "disc")):
        visitor.page.locator("#answer .lp-answer").wait_for()
        assert visitor.answer().startswith(kind)
    one.teach("button")
    assert other.drop(shots["disc 302"]).startswith("button")
    assert one.left_in_peace()
    assert other.left_in_peace()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_the_page_can_be_used_by_everyone(
    server: Server, browser: Any, shots: dict[str, Path], size: tuple[int, int], scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    viewport = {"width": size[0], "height": size[1]}
    visitor = Visitor(browser, server.address, viewport=viewport, color_scheme=scheme)
    visitor.drop(shots["disc 303"])
    visitor.page.locator("#reasons img").first.wait_for()
    for tab in ("One photo", "Many photos", "Model"):
        visitor.page.get_by_role("tab", name=tab).click()
        visitor.page.wait_for_timeout(500)
        found = axe.run(visitor.page, options={"iframes": False}).response["violations"]
        grave = {
            v["id"]: [node["html"][:200] for node in v["nodes"]] for v in found if v["impact"] != "minor"
        }
        assert grave == {}, tab
        width = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0], "nothing has to be scrolled to the side"
    assert visitor.left_in_peace()
