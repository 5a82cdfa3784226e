"""lightprobe: train an image classifier in one pass over your photos. No backprop."""

import importlib
from typing import TYPE_CHECKING, Any

from lightprobe._version import __version__

if TYPE_CHECKING:
    from lightprobe.classifier import ImageClassifier, load
    from lightprobe.head import OpticalRidge
    from lightprobe.optics import Float32Encoder, OpticalFeatures, SignEncoder

# Imported at first use, so that `import lightprobe` does not wait for torch.
_HOMES = {
    "Float32Encoder": "lightprobe.optics",
    "ImageClassifier": "lightprobe.classifier",
    "OpticalFeatures": "lightprobe.optics",
    "OpticalRidge": "lightprobe.head",
    "SignEncoder": "lightprobe.optics",
    "load": "lightprobe.classifier",
}

__all__ = [
    "Float32Encoder",
    "ImageClassifier",
    "OpticalFeatures",
    "OpticalRidge",
    "SignEncoder",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lightprobe' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
