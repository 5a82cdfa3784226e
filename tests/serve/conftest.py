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
    "image_size": 32,
    "precision": "fp32",
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
def trained(training_photos: Path, toy_networks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightprobe.backbones.zoo.PACKAGED_FILES", toy_networks)
        model = ImageClassifier(**FIXED, pool="avg", encode="l2", kernel="optical").fit(training_photos)
    return model.save(tmp_path_factory.mktemp("trained") / "model")


@pytest.fixture(scope="session")
def loaded(trained: Path) -> ImageClassifier:
    return ImageClassifier.load(trained)


def serving(model: ImageClassifier, folder: Path) -> Service:
    """A service over a model, which is a value: many may share it, whatever each is taught."""
    limits = Limits(files=40, file_bytes=20_000, pixels=10_000)
    return Service(model.fitted, folder, model.saved_parameters(), model.runtime, limits)


@pytest.fixture
def service(trained: Path, loaded: ImageClassifier, tmp_path: Path) -> Iterator[Service]:
    folder = Path(shutil.copytree(trained, tmp_path / "model"))
    service = serving(loaded, folder)
    yield service
    service.close()


@pytest.fixture(scope="module")
def lasting(loaded: ImageClassifier, trained: Path) -> Iterator[Service]:
    """A service for tests that only ask; it may not save."""
    service = serving(loaded, trained / "nowhere")
    yield service
    service.close()
