"""Backbones as OpenVINO models, and OpenVINO itself: imported, compiling, without its side effects."""

import ctypes
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from math import prod
from types import ModuleType
from typing import Any, get_args

import torch

from lightprobe.backbones.architecture import one_line
from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.protocol import TappedNetwork
from lightprobe.backbones.taps import Pool, Tap
from lightprobe.errors import BackboneError


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
    """Compile a model of OpenVINO's for the CPU, leaving this thread's signal stack alone."""
    with same_signal_stack():
        return import_openvino().Core().compile_model(model, "CPU", dict(options))


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


def convert(backbone: Backbone, cuts: Iterable[str]) -> Any:
    """Convert a backbone: scaling, network and pooling in one OpenVINO model.

    The way leads through torch.export: it takes half the time of tracing with torch.jit, which is
    deprecated besides.

    Returns
    -------
    openvino.Model
        From pixels (n, 3, s, s), uint8, any n, to float32 (n, d): one output for each cut and pooling,
        so that one conversion serves whatever is wanted of these layers; see `keep_outputs`.

    Raises
    ------
    BackboneError
        torch cannot export the network or OpenVINO not take it.
    """
    openvino = import_openvino()
    taps = [Tap(cut, pool) for cut in cuts for pool in get_args(Pool)]
    network = TappedNetwork(backbone, taps).eval()
    side = backbone.preprocessing.crop
    batch = torch.export.Dim("batch", min=1, max=65_536)
    example = torch.zeros((2, 3, side, side), dtype=torch.uint8)
    try:
        with torch.no_grad():
            exported = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
            model = openvino.convert_model(exported)
        model.reshape([-1, 3, side, side])
        for output, tap in zip(model.outputs, taps, strict=True):
            output.set_names({_output_name(tap)})
    except Exception as error:  # both raise whatever they like at a network that they cannot take
        raise BackboneError(
            f"OpenVINO cannot take {backbone.name} ({one_line(error)}): use --engine eager."
        ) from error
    return model


def keep_outputs(model: Any, taps: Iterable[Tap]) -> Any:
    """Keep of a converted model what leads to these taps, in their order."""
    results = [model.output(_output_name(tap)).get_node() for tap in taps]
    kept = import_openvino().Model(results, model.get_parameters(), model.get_friendly_name())
    for key, value in model.get_rt_info().items():
        kept.set_rt_info(value, key)
    return kept


def weight_bytes(model: Any, bytes_a_float: int) -> int:
    """Bytes of a model's weights where each float32 of the file is held in `bytes_a_float`."""
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    sizes = [(prod(op.get_output_shape(0)), op.get_element_type().size) for op in constants]
    return sum(count * (bytes_a_float if size == 4 else size) for count, size in sizes)


def _output_name(tap: Tap) -> str:
    return f"{tap.cut}:{tap.pool}"
