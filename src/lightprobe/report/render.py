"""A page becomes one HTML file: no script, no address outside it, every text escaped."""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from lightprobe.atomic import write_whole
from lightprobe.report.page import Drawing, Gallery, Page, Table

TEMPLATE = "report.html.jinja"


def render(page: Page) -> str:
    """Write a page as HTML."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    environment.tests |= {
        "drawing": lambda block: isinstance(block, Drawing),
        "table": lambda block: isinstance(block, Table),
        "gallery": lambda block: isinstance(block, Gallery),
    }
    template = (files("lightprobe.report") / "templates" / TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(template).render(page=page)


def write_page(page: Page, path: Path) -> None:
    """Write a page to a file, whole or not at all."""
    # A file name that is no text in UTF-8 is shown by its escapes.
    write_whole(path, render(page).encode("utf-8", "backslashreplace"))
