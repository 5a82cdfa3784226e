"""Exported files opened, of either format: OpenVINO reads both."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import compile_on_cpu, import_openvino, metadata_of
from lightprobe.errors import ModelFileError
from lightprobe.export.names import FORMAT, OUTPUT, Info

Run = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


def open_exported(path: Path) -> tuple[Run, Info]:
    """Open an exported file: what runs it, from photos (n, h, w, 3), and what is known of it.

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
    if model.input(0).partial_shape[1].is_static:
        raise ModelFileError(
            f"{path} was exported by an earlier version, and takes photos that were resized: export again."
        )
    # Its default would be bf16 where the processor has it, which is not what parity was measured with.
    compiled = compile_on_cpu(model, {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1})
    return lambda photos: np.asarray(compiled([photos])[OUTPUT], np.float64), info


def _foreign(path: Path) -> ModelFileError:
    return ModelFileError(
        f"{path} is not a file that `lightprobe export` wrote, or it is damaged: export again."
    )
