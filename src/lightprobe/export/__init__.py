"""A model as a file that other programs run: ONNX or OpenVINO, from pixels to probabilities."""

from lightprobe.export.exported import ExportedClassifier
from lightprobe.export.exporting import export
from lightprobe.export.formats import FORMATS, format_of
from lightprobe.export.parity import Parity

__all__ = ["FORMATS", "ExportedClassifier", "Parity", "export", "format_of"]
