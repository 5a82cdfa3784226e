"""Folders of toys that several rooms' tests share, and a cache of their own."""

from pathlib import Path

import pytest
from PIL import Image
from tests.toys import CLASSES, toy_image


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    folder = tmp_path / "own-cache"
    monkeypatch.setenv("LIGHTPROBE_CACHE", str(folder))
    return folder


@pytest.fixture
def toy_folder(tmp_path: Path) -> Path:
    """Twelve training and four test photos of each of three classes."""
    root = tmp_path / "toys"
    for split, seeds in (("train", range(12)), ("test", range(100, 104))):
        for kind in CLASSES:
            folder = root / split / kind
            folder.mkdir(parents=True)
            for seed in seeds:
                Image.fromarray(toy_image(kind, seed)).save(folder / f"{kind} {seed}.png")
    return root
