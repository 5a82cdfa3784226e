"""Pictures of three kinds that any network can tell apart."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("disc", "stripes", "noise")


def toy_image(kind: str, seed: int, side: int = 24) -> NDArray[np.uint8]:
    """Draw a picture (side, side, 3) that a network can tell from the other kinds."""
    rng = np.random.default_rng([seed, CLASSES.index(kind)])
    y, x = np.mgrid[:side, :side] / side
    if kind == "disc":
        pattern = ((x - rng.uniform(0.3, 0.7)) ** 2 + (y - rng.uniform(0.3, 0.7)) ** 2 < 0.08).astype(float)
    elif kind == "stripes":
        pattern = (np.sin(40 * x + rng.uniform(0, 6)) > 0).astype(float)
    else:
        pattern = rng.uniform(size=(side, side))
    tint = rng.uniform(0.6, 1.0, 3)
    return np.asarray(pattern[..., None] * tint * 255, dtype=np.uint8)


def draw_toys(parent: Path, n_train: int = 12, n_test: int = 4) -> Path:
    """Draw training and test photos, so many of each class, into a new folder, and return it."""
    root = parent / "toys"
    for split, seeds in (("train", range(n_train)), ("test", range(100, 100 + n_test))):
        for kind in CLASSES:
            folder = root / split / kind
            folder.mkdir(parents=True)
            for seed in seeds:
                Image.fromarray(toy_image(kind, seed)).save(folder / f"{kind} {seed}.png")
    return root
