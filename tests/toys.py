"""Pictures of three kinds that any network can tell apart."""

import numpy as np
from numpy.typing import NDArray

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
