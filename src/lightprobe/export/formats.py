"""The formats that models are exported in: ONNX and OpenVINO."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightprobe.export.heads import Model
from lightprobe.export.names import SUFFIXES, Info
from lightprobe.export.onnx_graph import save_onnx, to_onnx
from lightprobe.export.openvino_graph import save_openvino, to_openvino


@dataclass(frozen=True)
class Format:
    """How graphs are written in one format.

    Attributes
    ----------
    suffix : str
        Of the file.
    convert : callable
        From a fitted model to the format's own.
    save : callable
        That model and what is to be known into a file.
    """

    suffix: str
    convert: Callable[[Model], Any]
    save: Callable[[Any, Info, Path], None]


FORMATS: Final = {
    "onnx": Format(SUFFIXES["onnx"], to_onnx, save_onnx),
    "openvino": Format(SUFFIXES["openvino"], to_openvino, save_openvino),
}
