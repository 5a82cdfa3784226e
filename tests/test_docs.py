"""What README and docs show is run: each code block, in order, in a folder with toy photos."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from tests.toys import toy_image

from lightprobe.backbones import create_backbone
from lightprobe.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with what the pages speak of; the network sees small images, to be quick."""
    desk = tmp_path / "desk"
    desk.mkdir()
    toy_folder.rename(desk / "photos")
    Image.fromarray(toy_image("disc", 999)).save(desk / "new.jpg")
    monkeypatch.chdir(desk)
    for user in ("lightprobe.classifier.training", "lightprobe.check.run"):
        monkeypatch.setattr(
            f"{user}.create_backbone",
            lambda name, **how: create_backbone(name, **{**how, "image_size": how["image_size"] or 64}),
        )
    return desk


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_code_block_runs(page: Path, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for language, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(code, str(page), "exec"), {"__name__": "__main__"})
        else:
            for line in code.splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0] == "lightprobe":
                    assert main(words[1:]) == 0, f"{line}\n{capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_make_target_and_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z]+)\b", text):
        assert f"\n{target}:" in makefile
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link


def test_the_readmes_tree_names_every_room() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "src" / "lightprobe").iterdir()):
        if path.name.startswith("_") or path.name == "py.typed":
            continue
        name = f"{path.name}/" if path.is_dir() else path.name
        assert re.search(rf"^.*\b{re.escape(name)}", text, re.MULTILINE), (
            f"{name} is not in the README's tree"
        )
