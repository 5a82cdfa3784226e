"""The estimators of every method, and a saved model as the one that it was."""

import os
from pathlib import Path
from typing import Final

from lightprobe.backprop import FineTune, LinearProbe, Scratch
from lightprobe.classifier import ImageClassifier
from lightprobe.errors import ModelFileError, OptionError
from lightprobe.photo_model import is_model, model_folder, read_config

Model = ImageClassifier | LinearProbe | FineTune | Scratch

METHODS: Final[dict[str, type[Model]]] = {
    "optical": ImageClassifier,
    "linear-probe": LinearProbe,
    "fine-tune": FineTune,
    "scratch": Scratch,
}


def load(folder: str | os.PathLike[str]) -> Model:
    """Read a saved model of whatever method, by its folder or that of its run; nothing is unpickled.

    Raises
    ------
    ModelFileError
        If there is no model, or it is foreign, damaged, changed or of another format version.
    """
    path = model_folder(Path(folder))
    method = "optical"
    if is_model(path):
        method = read_config(path).get("method", method)
    if not isinstance(method, str) or method not in METHODS:
        raise ModelFileError(
            f"{path} was trained by {method!r}, and this lightprobe knows {', '.join(METHODS)}: "
            "use the lightprobe that wrote it."
        )
    return METHODS[method].load(path)


def load_optical(folder: str | os.PathLike[str], what: str) -> ImageClassifier:
    """Read a saved model for something that only closed-form models can do.

    Raises
    ------
    OptionError
        If it was trained by gradients.
    ModelFileError
        As `load`.
    """
    model = load(folder)
    if not isinstance(model, ImageClassifier):
        raise OptionError(
            f"{folder} was trained by gradients, and {what} is for models in closed form: "
            "train one with `method='optical'`."
        )
    return model
