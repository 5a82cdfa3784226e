"""lightprobe: train an image classifier in one pass over your photos. No backprop."""

import importlib
from typing import TYPE_CHECKING, Any

from lightprobe._version import __version__

if TYPE_CHECKING:
    from lightprobe.backprop import FineTune, LinearProbe, Recipe, Scratch
    from lightprobe.classifier import ImageClassifier
    from lightprobe.head import OpticalRidge
    from lightprobe.models import load
    from lightprobe.optics import Float32Encoder, OpticalFeatures, SignEncoder
    from lightprobe.threads import passive_threads

# Imported at first use, so that `import lightprobe` does not wait for torch.
_HOMES = {
    "FineTune": "lightprobe.backprop",
    "Float32Encoder": "lightprobe.optics",
    "ImageClassifier": "lightprobe.classifier",
    "LinearProbe": "lightprobe.backprop",
    "OpticalFeatures": "lightprobe.optics",
    "OpticalRidge": "lightprobe.head",
    "Recipe": "lightprobe.backprop",
    "Scratch": "lightprobe.backprop",
    "SignEncoder": "lightprobe.optics",
    "load": "lightprobe.models",
    "passive_threads": "lightprobe.threads",
}

__all__ = [
    "FineTune",
    "Float32Encoder",
    "ImageClassifier",
    "LinearProbe",
    "OpticalFeatures",
    "OpticalRidge",
    "Recipe",
    "Scratch",
    "SignEncoder",
    "__version__",
    "load",
    "passive_threads",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lightprobe' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
