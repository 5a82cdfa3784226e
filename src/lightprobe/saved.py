"""A saved model of any method as a value, with the parameters that it was trained with.

Answering takes no more: the estimators, and with them scikit-learn, stay away.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightprobe.backprop import TrainedModel
from lightprobe.classifier import Fitted
from lightprobe.errors import ModelFileError
from lightprobe.photo_model import read_model, whole_parts
from lightprobe.runtime import Runtime

VALUES: Final[dict[str, type[Fitted] | type[TrainedModel]]] = {
    "optical": Fitted,
    "linear-probe": TrainedModel,
    "fine-tune": TrainedModel,
    "scratch": TrainedModel,
}


@dataclass(frozen=True)
class Saved:
    """What a model's folder holds.

    Attributes
    ----------
    method : str
    model : Fitted or TrainedModel
    parameters : dict
        Those of the estimator that it was, as JSON values.
    """

    method: str
    model: Fitted | TrainedModel
    parameters: dict[str, Any]

    @property
    def runtime(self) -> Runtime:
        """How the parameters say that work is done."""
        return Runtime.of(self.parameters)


def read(folder: str | os.PathLike[str]) -> Saved:
    """Read a saved model of whatever method, by its folder or that of its run; nothing is unpickled.

    Raises
    ------
    ModelFileError
        If there is no model, or it is foreign, damaged, changed or of another format version.
    """
    tensors, config = read_model(Path(folder))
    method = config.get("method", "optical")
    if not isinstance(method, str) or method not in VALUES:
        raise ModelFileError(
            f"{folder} was trained by {method!r}, and this lightprobe knows {', '.join(VALUES)}: "
            "use the lightprobe that wrote it."
        )
    with whole_parts(folder):
        return Saved(method, VALUES[method].from_tensors(tensors, config), config["parameters"])
