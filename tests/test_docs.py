"""What README and docs show is run: each code block, in order, in a folder with toy photos."""

import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from PIL import Image
from tests.toys import toy_image

from lightprobe.backbones import create_backbone
from lightprobe.cli import main

# What the pages show is what the network inside the package gives.
pytestmark = pytest.mark.real_network

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def desk(toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with what the pages speak of; the network sees small images, to be quick."""
    desk = tmp_path / "desk"
    desk.mkdir()
    toy_folder.rename(desk / "photos")
    more = desk / "more" / "disc"
    more.mkdir(parents=True)
    Image.fromarray(toy_image("disc", 998)).save(more / "another disc.png")
    Image.fromarray(toy_image("disc", 999)).save(desk / "new.jpg")
    monkeypatch.chdir(desk)
    monkeypatch.setattr(
        "lightprobe.backbones.zoo.create_backbone",
        lambda name, **how: create_backbone(name, **{**how, "image_size": how["image_size"] or 64}),
    )
    return desk


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_code_block_runs(page: Path, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = page.read_text(encoding="utf-8")
    for extra in re.findall(r"^(?:import|from) (torch|onnxruntime)\b", text, re.MULTILINE):
        pytest.importorskip(extra, reason=f"the page compares with {extra}, of an extra")
    for language, code in BLOCK.findall(text):
        if language == "python":
            exec(compile(code, str(page), "exec"), {"__name__": "__main__"})
        else:
            for line in code.splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0] == "lightprobe":
                    fine = (0, 1) if words[1] == "check" else (0,)  # 1: it found something
                    assert main(words[1:]) in fine, f"{line}\n{capsys.readouterr().err}"


@pytest.mark.slow
def test_the_tutorial_works_as_typed_and_prints_what_it_shows(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    scripts = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = {**os.environ, "HOME": str(tmp_path / "home"), "PATH": scripts}
    servers = []
    try:
        for language, code in re.findall(
            r"^```(console|python|sh)\n(.*?)^```", text, re.MULTILINE | re.DOTALL
        ):
            lines = [code] if language == "python" else code.splitlines()
            for line in lines:
                command = [sys.executable, "-c", line] if language == "python" else shlex.split(line)
                if command[:2] == ["lightprobe", "serve"]:
                    servers.append(subprocess.Popen(command, cwd=tmp_path, env=env))
                    _wait_for("http://127.0.0.1:7860/healthz")
                    continue
                done = subprocess.run(
                    command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
                )
                assert done.returncode == (1 if "check" in command else 0), f"{line}\n{done.stderr}"
                for row in done.stdout.splitlines():
                    if row.startswith("new/"):
                        assert f"\n{','.join(row.split(',')[:2])}," in text, row
    finally:
        for server in servers:
            server.terminate()
            server.wait(30)


def _wait_for(address: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"nobody answers at {address}")


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
