"""A model of toys, fitted once, that each test asks as a service of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.toys import CLASSES, toy_image

from lightprobe import ImageClassifier

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")

from lightprobe.serve import Limits, Service

FIXED: dict[str, Any] = {
    "image_size": 64,
    "precision": "fp32",
    "engine": "eager",
    "device": "cpu",
    "cache": False,
}


@pytest.fixture(scope="session")
def training_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos of each of three classes."""
    root = tmp_path_factory.mktemp("training")
    for kind in CLASSES:
        (root / kind).mkdir()
        for seed in range(12):
            Image.fromarray(toy_image(kind, seed)).save(root / kind / f"{kind} {seed}.png")
    return root


@pytest.fixture(scope="session")
def trained(training_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = ImageClassifier(**FIXED, pool="avg", encode="l2", kernel="optical").fit(training_photos)
    return model.save(tmp_path_factory.mktemp("trained") / "model")


@pytest.fixture
def service(trained: Path, tmp_path: Path) -> Iterator[Service]:
    folder = tmp_path / "model"
    shutil.copytree(trained, folder)
    limits = Limits(files=40, file_bytes=20_000, pixels=10_000)
    model = ImageClassifier.load(folder)
    service = Service(model.fitted, folder, model.saved_parameters(), model.runtime, limits)
    yield service
    service.close()
