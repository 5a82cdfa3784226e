"""Files that other programs run: ONNX and OpenVINO, written and read."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lightprobe.backbones import compile_on_cpu, import_openvino
from lightprobe.errors import MissingExtraError, ModelFileError

INPUT, OUTPUT, KEY = "pixels", "probabilities", "lightprobe"
BATCH = 65_536

Run = Callable[[NDArray[Any]], NDArray[np.float32]]
Info = dict[str, Any]


@dataclass(frozen=True)
class Format:
    """How graphs are written in one format, and opened.

    Attributes
    ----------
    suffix : str
        Of the file.
    convert : callable
        From a module that gives probabilities, and an input of two rows, to the format's own model.
    save : callable
        That model and what is to be known into a file.
    open : callable
        From the file to what runs it and what is known.
    """

    suffix: str
    convert: Callable[[nn.Module, torch.Tensor], Any]
    save: Callable[[Any, Info, Path], None]
    open: Callable[[Path], tuple[Run, Info]]


def _to_onnx(graph: nn.Module, example: torch.Tensor) -> Any:
    _imported("onnxscript")
    with warnings.catch_warnings():
        # The exporter warns of its own internals, which change from one torch to the next.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph,
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=BATCH)},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _save_onnx(model: Any, info: Info, path: Path) -> None:
    onnx = _imported("onnx")
    onnx.helper.set_model_props(model, {KEY: json.dumps(info)})
    onnx.save(model, path)


def _open_onnx(path: Path) -> tuple[Run, Info]:
    runtime = _imported("onnxruntime")
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        info = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
    except Exception as error:  # the runtime raises classes of its own, without a common base
        raise _foreign(path) from error
    return lambda pixels: session.run([OUTPUT], {INPUT: pixels})[0], info


def to_openvino(graph: nn.Module, example: torch.Tensor) -> Any:
    """Convert a module that gives probabilities to OpenVINO's model, for any number of rows."""
    openvino = import_openvino()
    batch = torch.export.Dim("batch", min=1, max=BATCH)
    with torch.no_grad():
        exported = torch.export.export(graph, (example,), dynamic_shapes=({0: batch},))
        model = openvino.convert_model(exported)
    model.reshape([-1, *example.shape[1:]])
    model.inputs[0].set_names({INPUT})
    model.outputs[0].set_names({OUTPUT})
    return model


def _save_openvino(model: Any, info: Info, path: Path) -> None:
    model.set_rt_info(json.dumps(info), KEY)
    import_openvino().save_model(model, path, compress_to_fp16=False)


def _open_openvino(path: Path) -> tuple[Run, Info]:
    try:
        model = import_openvino().Core().read_model(path)
        info = json.loads(model.get_rt_info(KEY).value)
    except Exception as error:  # OpenVINO raises RuntimeError, or worse, for whatever it cannot read
        raise _foreign(path) from error
    # Its default would be bf16 where the processor has it, which is not what parity was measured with.
    compiled = compile_on_cpu(model, {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1})
    return lambda pixels: compiled([pixels])[OUTPUT], info


FORMATS = {
    "onnx": Format(".onnx", _to_onnx, _save_onnx, _open_onnx),
    "openvino": Format(".xml", to_openvino, _save_openvino, _open_openvino),
}


def pixels_of(side: int) -> torch.Tensor:
    """Make pixels for a conversion to follow: uint8 (2, 3, side, side)."""
    return torch.zeros((2, 3, side, side), dtype=torch.uint8)


def format_of(path: Path) -> Format | None:
    """Find the format of an exported file by its suffix; None if it is none of them."""
    return next((form for form in FORMATS.values() if form.suffix == path.suffix.lower()), None)


def _imported(package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError:
        raise MissingExtraError(package, "export", "ONNX") from None


def _foreign(path: Path) -> ModelFileError:
    return ModelFileError(
        f"{path} is not a file that `lightprobe export` wrote, or it is damaged: export again."
    )
