"""What the site needs beside its pages: the help of every verb, and that nothing is loaded from elsewhere."""

import re
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

from lightprobe.cli import VERBS, main

# What a browser fetches by itself: links that a reader may follow are no part of it.
_FETCHED = re.compile(
    r"""<(?!a\b)[a-z]+\b[^>]*?\s(?:src|srcset|href|data|poster)=["']?(?:https?:)?//[^>]*>
    |url\(\s*["']?(?:https?:)?//[^)]*\)
    |@import\s+["'](?:https?:)?//[^"']*["']""",
    re.VERBOSE,
)


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """Put the help of all verbs below the command line's page."""
    if page.file.src_uri != "commands.md":
        return markdown
    commands = [f"{verb} --help" for verb in VERBS] + ["train --help-gradients"]
    sections = [
        f"## {command.removesuffix(' --help')}\n\n```text\n{_help(command)}```" for command in commands
    ]
    return "\n\n".join([markdown, *sections])


def on_post_build(*, config: Any, **_: object) -> None:
    """Refuse a site that loads anything from another machine."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix in (".html", ".css") and (found := fetched_from_elsewhere(path.read_text("utf-8"))):
            raise PluginError(f"{path.name} loads from another machine: {found[0]}")


def fetched_from_elsewhere(text: str) -> list[str]:
    """Return the tags and rules of a page or style sheet that make a browser ask another machine."""
    return [match.group() for match in _FETCHED.finditer(text)]


def _help(command: str) -> str:
    printed = StringIO()
    with redirect_stdout(printed), suppress(SystemExit):
        main(command.split())
    return printed.getvalue()
