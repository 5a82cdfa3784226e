"""A fitted classifier as a notebook shows it: how good, what it confuses, and its mistakes as pictures."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import ImageError
from lightprobe.html_text import render_part
from lightprobe.images import ImageSet, data_address, thumbnail
from lightprobe.photo_model.photo_model import PhotoModel

MATRIX_CLASSES: Final = 10  # of more, the commonest confusions are listed
PAIRS: Final = 6
MISTAKES: Final = 8
SIDE: Final = 128  # pixels of a picture


def notebook_card(model: PhotoModel, images: ImageSet | None) -> str:
    """Return HTML that needs nothing else.

    Parameters
    ----------
    images : ImageSet or None
        The training photos, where they are at hand: what is shown of mistakes are their pictures.
    """
    facts = model.facts()
    told: dict[str, Any] = {
        "n_train": model.n_train,
        "n_classes": len(model.classes),
        "backbone": facts["backbone"],
        "method": facts["method"],
        "accuracy": facts.get("loo_accuracy"),
        "left_out": "leave-group-out" if facts.get("n_groups") else "leave-one-out",
        "classes": model.classes,
        "matrix": None,
        "pairs": [],
        "mistakes": [],
    }
    if (left_out := model.left_out()) is not None:
        paths, labels, probabilities = left_out
        said = probabilities.argmax(axis=1)
        counts = np.zeros((len(model.classes), len(model.classes)), dtype=np.int64)
        np.add.at(counts, (labels, said), 1)
        told["accuracy"] = float((said == labels).mean())
        if len(model.classes) <= MATRIX_CLASSES:
            told["matrix"] = counts.tolist()
        else:
            told["pairs"] = _pairs(counts, model.classes)
        sure = probabilities[np.arange(len(said)), said]
        wrong = np.flatnonzero(said != labels)
        surest = wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES].tolist()
        pictures = _pictures(images, [paths[i] for i in surest])
        told["mistakes"] = [
            (picture, paths[i], model.classes[labels[i]], model.classes[said[i]], float(sure[i]))
            for i, picture in zip(surest, pictures, strict=True)
        ]
    return render_part("card", "card", told)


def _pairs(counts: NDArray[np.int64], classes: tuple[str, ...]) -> list[tuple[str, str, int]]:
    wrong = counts - np.diag(np.diagonal(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[: min(PAIRS, np.count_nonzero(wrong))]
    places = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(classes[i], classes[j], int(wrong[i, j])) for i, j in places]


def _pictures(images: ImageSet | None, paths: list[str]) -> list[str]:
    """Return data: addresses; empty for photos that are not at hand."""
    if images is None:
        return [""] * len(paths)
    places = {path: index for index, path in enumerate(images.paths)}
    found = []
    for path in paths:
        try:
            jpeg = thumbnail(images.read(places[path]), SIDE, max_pixels=images.max_pixels)
            found.append(data_address(jpeg))
        except (KeyError, ImageError, OSError):
            found.append("")
    return found
