import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from tests.report.edges import EDGES, draw_all, edge_row, keep_edge
from tests.report.pages import read_page, write_rows

import lightprobe.report
import lightprobe.runs
from lightprobe.figures import FIGURES, figure
from lightprobe.report import write_report
from lightprobe.report.page import Drawing

for room in (lightprobe.report, lightprobe.runs):
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        importlib.import_module(module.name)

# A figure of answers that has nothing to show stands in no page.
NOTHING_TO_SHOW = {("calibration", edge) for edge in ("no answers", "one answer", "two answers")}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What came of each figure at an edge: its error, or None where it was drawn."""

    @cache
    def of(edge: str) -> dict[str, Exception | None]:
        found: dict[str, Exception | None] = {}

        def watched(name: str, draw: Any) -> Any:
            def drawn(*args: Any) -> Any:
                try:
                    done = draw(*args)
                except Exception as error:
                    found[name] = error
                    raise
                found.setdefault(name, None)
                return done

            return drawn

        with pytest.MonkeyPatch.context() as patch:
            for name, draw in FIGURES.items():
                patch.setitem(FIGURES, name, watched(name, draw))
            draw_all(EDGES[edge], tmp_path_factory.mktemp("edge"))
        return found

    return of


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_at_every_edge(name: str, edge: str, outcomes: Any) -> None:
    found = outcomes(edge)
    if (name, edge) in NOTHING_TO_SHOW:
        assert name not in found
    else:
        assert name in found, f"nothing draws {name}: add rows that do to draw_all"
        assert found[name] is None


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_that_fails_is_left_out_and_the_page_and_the_log_say_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("'yerr' must not\ncontain negative values")

    monkeypatch.setitem(FIGURES, name, fails)
    for other in FIGURES.keys() - {name}:  # not what this is about, and they take their time
        monkeypatch.setitem(FIGURES, other, lambda *_: Drawing(Markup()))
    pages = draw_all(EDGES["all wrong"], tmp_path)
    sentence = f"The figure of {name} is left out: it could not be drawn (ValueError: 'yerr' must not contain"
    assert sentence in caplog.text
    told = [read_page(page).text for page in pages]
    assert any(sentence in text for text in told) or name in PICTURES


# Figures that are files beside the page.
PICTURES = {"loss and accuracy over the epochs", "test accuracy against training seconds"}


def test_a_stop_by_the_user_is_no_failure_of_a_figure() -> None:
    @figure("nothing", lambda _: None)
    def stopped() -> None:
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            stopped()
    finally:
        del FIGURES["nothing"]


def test_few_answers_make_a_page_without_the_figure_of_calibration(tmp_path: Path) -> None:
    write_rows(tmp_path, edge_row(EDGES["two answers"]))
    keep_edge(tmp_path, EDGES["two answers"], "class {}".format)
    text = read_page(write_report(tmp_path)).text
    assert "too few answers to draw it" in text
    assert "could not be drawn" not in text


def test_names_of_any_bytes_and_signs_make_a_page(tmp_path: Path) -> None:
    names = ["caf\udce9", "line\nend", "猫", "\x1b[31m", "a,b", '"', "\u2028", "$x^{$"]
    edge = EDGES["two hundred classes"]
    write_rows(tmp_path, edge_row(edge, backbone=names[0]), edge_row(edge, backbone="\n".join(names)))
    keep_edge(tmp_path, edge, lambda i: f"{names[i % len(names)]} {i}")
    page = read_page(write_report(tmp_path))
    assert "caf\\udce9 0" in page.text
    assert "猫 2" in page.text
    assert "could not be drawn" not in page.text
