"""Pictures with enough in them to be recognised again."""

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Draw soft blobs of colour under finer ones."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (n, n, 3), dtype=np.uint8)).resize(
                size, Image.Resampling.BICUBIC
            ),
            dtype=float,
        )
        for n in (4, 12, 30)
    ]
    return Image.fromarray(np.clip(sum(layers) / 3, 0, 255).astype(np.uint8))


def photo_folder(root: Path, n: int = 12, classes: tuple[str, ...] = ("cold", "warm")) -> Path:
    """Write n pictures a class, the classes told apart by their tint."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(n):
            pixels = np.asarray(picture(100 * label + i)).astype(float)
            pixels[..., 2 * label] *= 0.3
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{name[0]}{i}x.jpg", quality=92)
    return root
