from .exported import ExportedClassifier
from .exporting import export
from .formats import FORMATS
from .names import format_of
from .parity import Parity

__all__ = [
    "FORMATS",
    "ExportedClassifier",
    "Parity",
    "export",
    "format_of",
]
