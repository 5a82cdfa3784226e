"""A page of random photos of each class."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lightprobe.backbones import Preprocessing
from lightprobe.errors import ImageError
from lightprobe.figures import save_figure
from lightprobe.images import ImageSet, decode

COLUMNS, MOST_CLASSES, SIDE = 8, 12, 160


def draw_data(images: ImageSet, path: Path, *, random_state: int = 0) -> None:
    """Draw up to eight random photos of each class, of the first dozen classes, a row a class.

    Photos that cannot be decoded are passed over.
    """
    classes = images.classes[:MOST_CLASSES]
    square = Preprocessing(resize=SIDE, crop=SIDE)
    rng = np.random.default_rng(random_state)
    figure = Figure(figsize=(COLUMNS * 1.3 + 1.6, len(classes) * 1.3 + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{len(images):,} photos of {len(images.classes)} classes", x=0.01, ha="left")
    grid = figure.subplots(len(classes), COLUMNS, squeeze=False)
    for label, (name, row) in enumerate(zip(classes, grid, strict=True)):
        members = np.flatnonzero(images.labels == label)
        row[0].set_ylabel(f"{name}\n{len(members):,}", rotation=0, ha="right", va="center")
        shown = iter(row)
        for index in rng.permutation(members):
            try:
                decoded = decode(images.read(int(index)), max_pixels=images.max_pixels, at_least=SIDE)
            except (ImageError, OSError):
                continue
            picture = square.prepare(decoded)
            axes = next(shown, None)
            if axes is None:
                break
            axes.imshow(picture)
        for axes in row:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    save_figure(figure, path, dpi=110)
