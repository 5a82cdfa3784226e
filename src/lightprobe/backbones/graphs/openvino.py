"""OpenVINO without its side effects: imported, reading, writing and compiling graphs."""

import ctypes
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.threads import fewer_threads


def import_openvino() -> ModuleType:
    """Import OpenVINO, without its telemetry."""
    return import_without_telemetry("openvino")


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def same_signal_stack() -> Iterator[None]:
    """Give the thread the signal stack back that it had; nothing to do but on Linux.

    OpenVINO's CPU plugin gives the thread that loads it a signal stack of its own. Several plugins that are
    unloaded in another order than loaded (NNCF loads some) leave the thread with one that is gone, and the
    next signal, such as Ctrl-C, is a segmentation fault: Python's handlers run there (OpenVINO 2026.4).
    """
    if sys.platform != "linux":
        yield
        return
    before = _swap(None)
    try:
        yield
    finally:
        _swap(before)


def signal_stack() -> int | None:
    """Address of the thread's alternate signal stack on Linux, None without one."""
    address: int | None = _swap(None).sp
    return address


def _swap(new: _Stack | None) -> _Stack:
    """Set a stack, or none, and return the one before."""
    before = _Stack()
    if ctypes.CDLL(None).sigaltstack(new and ctypes.byref(new), ctypes.byref(before)) != 0:
        raise OSError("the signal stack cannot be set")
    return before


def compile_on_cpu(model: Any, options: Mapping[str, Any]) -> Any:
    """Compile a model of OpenVINO's for the CPU, leaving this thread's signal stack alone.

    It starts as many threads as it likes to, or fewer if this process may use fewer.
    """
    threads = fewer_threads()
    told = dict(options) if threads is None else {**options, "INFERENCE_NUM_THREADS": threads}
    with same_signal_stack():
        return import_openvino().Core().compile_model(model, "CPU", told)


def import_without_telemetry(name: str) -> ModuleType:
    """Import OpenVINO or NNCF so that they do not call out, which they do as soon as they are imported.

    Both do without the package `openvino_telemetry` where that cannot be imported. Where the process has
    imported either of them already, whoever did so has decided.
    """
    telemetry = "openvino_telemetry"
    if name in sys.modules or telemetry in sys.modules:
        return import_module(name)
    sys.modules[telemetry] = None  # type: ignore[assignment]  # the import system's way to say: unavailable
    try:
        return import_module(name)
    finally:
        del sys.modules[telemetry]


def to_bytes(model: Any) -> dict[str, NDArray[np.uint8]]:
    """Serialise a graph: its description, `xml`, and its weights, `bin`, as bytes (uint8)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        import_openvino().save_model(model, path, compress_to_fp16=False)
        return {kind: np.fromfile(path.with_suffix(f".{kind}"), np.uint8) for kind in ("xml", "bin")}


def from_bytes(parts: Mapping[str, NDArray[np.uint8]]) -> Any:
    """Read a graph from its bytes: `onnx`, or what `to_bytes` wrote.

    Raises
    ------
    RuntimeError, KeyError
        It is damaged, or a part is missing.
    """
    openvino = import_openvino()
    if "onnx" in parts:
        return openvino.Core().read_model(parts["onnx"].tobytes())
    return openvino.Core().read_model(parts["xml"].tobytes(), openvino.Tensor(parts["bin"]))


def keep_outputs(model: Any, names: Sequence[str]) -> Any:
    """Keep of a graph what leads to the outputs of these names, in their order."""
    openvino = import_openvino()
    results = [model.output(name).get_node() for name in names]
    kept = openvino.Model(results, model.get_parameters(), model.get_friendly_name())
    for key, value in model.get_rt_info().items():
        kept.set_rt_info(value, key)
    return kept


def weight_bytes(model: Any, bytes_a_float: int) -> int:
    """Bytes of a model's weights where each float of the file is held in `bytes_a_float`."""
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    kinds = [(prod(op.get_output_shape(0)), op.get_element_type()) for op in constants]
    return sum(count * (bytes_a_float if kind.is_real() else kind.size) for count, kind in kinds)
