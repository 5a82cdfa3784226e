"""The one way that data becomes HTML: Jinja templates, of which every text is escaped.

A page's script, if it has one, lies beside its template, goes into the page behind `elements.js`, and is the
only one that the page's content security policy lets run.
"""

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lightprobe.atomic import write_whole

ABSENT = "–"
NBSP = "\N{NO-BREAK SPACE}"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share: 0.914 becomes 91.4 %; with a further digit where one would make it all or nothing."""
    if share is None:
        return ABSENT
    if digits == 1 and (0 < share < 0.001 or 0.999 <= share < 1):
        digits = 2
    return f"{100 * share:.{digits}f}{NBSP}%"


def legible(text: str) -> str:
    """Show a file name that is no text in UTF-8, which systems allow, by its escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def render(template: str, **values: Any) -> str:
    """Fill a template of `lightprobe/templates`, named without its suffixes."""
    script = _script(template)
    policy = f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" if script else ""
    values = {"script": script, "script_policy": Markup(policy), **values}  # noqa: S704 - a digest
    return legible(_environment().get_template(f"{template}.html.jinja").render(values))


def render_part(template: str, part: str, *values: Any) -> str:
    """Fill one macro of a template: a piece of a page."""
    macro = getattr(_environment().get_template(f"{template}.html.jinja").module, part)
    return legible(str(macro(*values)))


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write a page to a file, whole or not at all."""
    write_whole(path, render(template, **values).encode())


@cache
def _script(template: str) -> Markup:
    """Read the script of a page, which is ours, and what scripts share; empty if it has none."""
    folder = files("lightprobe") / "templates"
    if not (folder / f"{template}.js").is_file():
        return Markup("")
    parts = [(folder / name).read_text(encoding="utf-8") for name in ("elements.js", f"{template}.js")]
    return Markup("\n".join(parts))  # noqa: S704 - files of the package


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lightprobe"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["percent"] = percent
    environment.tests["of_kind"] = lambda value, name: type(value).__name__ == name
    return environment
