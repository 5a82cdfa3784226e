"""The site's own code: `make docs`, which builds the site, is part of `make check`."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightprobe.cli import VERBS

ROOT = Path(__file__).parents[1]


def script(name: str) -> SimpleNamespace:
    """A script of docs/, as mkdocs loads it: by its path."""
    pytest.importorskip("mkdocs", reason="what makes the site is not installed")
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return SimpleNamespace(**vars(module))


@pytest.fixture(scope="module")
def hooks() -> SimpleNamespace:
    return script("hooks")


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://elsewhere.example/a.js">',
        "<img alt=x src=//elsewhere.example/a.png>",
        '<link rel="stylesheet" href="https://elsewhere.example/fonts.css">',
        "@font-face { src: url('https://elsewhere.example/a.woff2'); }",
        '@import "https://elsewhere.example/a.css";',
    ],
)
def test_what_a_browser_would_fetch_from_elsewhere_is_found(hooks: SimpleNamespace, tag: str) -> None:
    assert hooks.fetched_from_elsewhere(f"<p>before</p>{tag}")


def test_links_and_the_sites_own_files_are_allowed(hooks: SimpleNamespace) -> None:
    page = '<a href="https://elsewhere.example">there</a> <img src="a.png"> <script src="../b.js"></script>'
    assert not hooks.fetched_from_elsewhere(page)


def test_a_site_that_loads_from_elsewhere_is_refused(hooks: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script src="https://elsewhere.example/a.js"></script>')
    with pytest.raises(hooks.PluginError, match=r"index\.html"):
        hooks.on_post_build(config=SimpleNamespace(site_dir=tmp_path))


def test_the_command_lines_page_has_the_help_of_every_verb(hooks: SimpleNamespace) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="commands.md"))
    text = hooks.on_page_markdown("# Commands", page=page)
    for verb in VERBS:
        assert f"## {verb}\n\n```text\nusage: lightprobe {verb}" in text
    assert "--unfreeze" in text


@pytest.mark.parametrize("name", ["convolution.svg", "light.svg"])
def test_the_figures_are_what_their_script_draws(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == script("draw").FIGURES[name]()
