"""Files that other programs run: ONNX and OpenVINO, written, and opened by OpenVINO, which reads both."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import compile_on_cpu, import_openvino, metadata_of
from lightprobe.errors import ModelFileError
from lightprobe.export.heads import Model
from lightprobe.export.names import FORMAT, OUTPUT, Info
from lightprobe.export.onnx_graph import save_onnx, to_onnx
from lightprobe.export.openvino_graph import save_openvino, to_openvino

Run = Callable[[NDArray[Any]], NDArray[np.float32]]


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
    "onnx": Format(".onnx", to_onnx, save_onnx),
    "openvino": Format(".xml", to_openvino, save_openvino),
}


def format_of(path: Path) -> Format | None:
    """Find the format of an exported file by its suffix; None if it is none of them."""
    return next((form for form in FORMATS.values() if form.suffix == path.suffix.lower()), None)


def open_exported(path: Path) -> tuple[Run, Info]:
    """Open an exported file: what runs it, from pixels (n, 3, s, s), and what is known of it.

    Raises
    ------
    ModelFileError
        If it is not one, or is damaged.
    """
    try:
        model = import_openvino().Core().read_model(path)
        info = metadata_of(model)
    except Exception as error:  # OpenVINO raises RuntimeError, or worse, for whatever it cannot read
        raise _foreign(path) from error
    if info.get("format") != FORMAT:
        raise _foreign(path)
    # Its default would be bf16 where the processor has it, which is not what parity was measured with.
    compiled = compile_on_cpu(model, {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1})
    return lambda pixels: compiled([pixels])[OUTPUT], info


def _foreign(path: Path) -> ModelFileError:
    return ModelFileError(
        f"{path} is not a file that `lightprobe export` wrote, or it is damaged: export again."
    )
