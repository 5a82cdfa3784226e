"""The main job on data inside the package: scikit-learn's handwritten digits."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from lightprobe.classifier import ImageClassifier
from lightprobe.figures import save_figure
from lightprobe.images import open_images
from lightprobe.photo_model import Tested
from lightprobe.runs.training_run import Row, train, with_test_split

TEST_FRACTION = 0.2
RIGHT, WRONG = "#0072b2", "#d55e00"  # told apart by the colour-blind (Okabe and Ito 2008)


def demo(out: Path, *, device: str = "auto", random_state: int = 0, verbose: bool = False) -> Row:
    """Train on four fifths of 1,797 digits, test on the rest, and draw what the model said.

    Source of the digits: Alpaydin and Kaynak 1998, UCI Machine Learning Repository, as bundled with
    scikit-learn; 8 × 8 pixels of 17 greys.

    Parameters
    ----------
    out : Path
        The run's folder; beside what `train` writes, `predictions.png` lies there, and the test digits in
        `test-images/`, one folder a class.

    Returns
    -------
    row : dict
        The run's row, with `picture` and `test_images`, their paths.
    """
    pixels, labels = digits()
    images = with_test_split(open_images((pixels, labels)), TEST_FRACTION, random_state)
    classifier = ImageClassifier(device=device, random_state=random_state, verbose=verbose)
    row = train(images, classifier, out)
    test = images.test
    assert test is not None
    picture = out / "predictions.png"
    draw_predictions(pixels[test.positions], classifier.evaluate(test), classifier.classes_, picture)
    folder = out / "test-images"
    _write_images(pixels[test.positions], np.array(test.classes)[test.labels], folder)
    return {**row, "picture": str(picture), "test_images": str(folder)}


def digits() -> tuple[NDArray[np.uint8], list[str]]:
    """Digits as colour images (1797, 8, 8, 3) of uint8, and their names."""
    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1), [str(name) for name in bunch.target]


def draw_predictions(
    pixels: NDArray[np.uint8],
    tested: Tested,
    classes: NDArray[np.str_],
    path: Path,
    *,
    rows: int = 6,
    columns: int = 12,
) -> None:
    """Draw a page of test images: every mistake first, the least sure of the right ones after them.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, h, w, 3)
        The images that `tested` speaks of, in its order.
    """
    predicted = tested.probabilities.argmax(axis=1)
    wrong = predicted != tested.labels
    confidence = tested.probabilities.max(axis=1)
    shown = np.lexsort((confidence, ~wrong))[: rows * columns]
    figure = Figure(figsize=(columns * 0.85, rows * 1.05 + 0.9), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    accuracy = f"{(~wrong).sum()} of {len(wrong)} right ({(~wrong).mean():.1%})"
    figure.suptitle(
        f"{accuracy}. The {wrong.sum()} mistakes, then those it was least sure of\n",
        fontsize=13,
        ha="left",
        x=0.01,
    )
    for axes, index in zip(figure.subplots(rows, columns).flat, shown, strict=False):
        axes.imshow(pixels[index], interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        colour = WRONG if wrong[index] else RIGHT
        for side in axes.spines.values():
            side.set(color=colour, linewidth=3 if wrong[index] else 1)
        said, truth = classes[predicted[index]], classes[tested.labels[index]]
        sure = min(int(100 * confidence[index]), 99)
        verdict = f"✗ {said}, is {truth}" if wrong[index] else f"✓ {said}  {sure} %"
        axes.set_xlabel(verdict, color=colour, fontsize=9, weight="bold" if wrong[index] else "normal")
    save_figure(figure, path, dpi=130)


def _write_images(pixels: NDArray[np.uint8], labels: NDArray[np.str_], folder: Path) -> None:
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        path = folder / label / f"{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
