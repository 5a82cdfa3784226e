"""Exported files opened, of either format: OpenVINO reads both."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import compile_on_cpu, import_openvino, metadata_of
from lightprobe.errors import ModelFileError
from lightprobe.export.names import FORMAT, OUTPUT, Info

Run = Callable[[Sequence[NDArray[Any]]], NDArray[np.float32]]


def open_exported(path: Path) -> tuple[Run, Info]:
    """Open an exported file: what runs it, from pixels (n, 3, s, s) of each input, and what is known of it.

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
    return lambda pixels: compiled(list(pixels))[OUTPUT], info


def _foreign(path: Path) -> ModelFileError:
    return ModelFileError(
        f"{path} is not a file that `lightprobe export` wrote, or it is damaged: export again."
    )
