"""A model of toys, fitted once a process, and a server of it."""

import tempfile
from functools import cache
from pathlib import Path

from tests.toy_network import toy_network
from tests.toys import draw_toys

from lightprobe import ImageClassifier


@cache
def toys() -> tuple[Path, Path]:
    """A folder of photos, and of a model trained on them, whose network is a toy."""
    root = Path(tempfile.mkdtemp(prefix="lightprobe-toys-"))
    photos = draw_toys(root)
    return photos, classifier(root).fit(photos).save(root / "run" / "model")


def classifier(folder: Path) -> ImageClassifier:
    """A classifier that sees through a toy network."""
    name = folder / "toy.onnx"
    if not name.exists():
        toy_network(name)
    return ImageClassifier(
        backbone=str(name), pool="avg", encode="l2", kernel="optical", precision="fp32", device="cpu"
    )
