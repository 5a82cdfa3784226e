"""Backbones as OpenVINO models: converted once, kept on disk, found again by everything that matters."""

import hashlib
import json
import logging
import shutil
import sys
import uuid
from collections.abc import Sequence
from importlib import import_module
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import torch

from lightprobe._version import __version__
from lightprobe.backbones.architecture import one_line
from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.protocol import TappedNetwork
from lightprobe.backbones.taps import Pool, Tap
from lightprobe.errors import BackboneError
from lightprobe.paths import cache_folder

logger = logging.getLogger(__name__)


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which would call out as soon as it is imported.

    OpenVINO does without the package `openvino_telemetry` where that cannot be imported. Where the
    process has imported OpenVINO already, whoever did so has decided.
    """
    telemetry = "openvino_telemetry"
    if "openvino" in sys.modules or telemetry in sys.modules:
        return import_module("openvino")
    sys.modules[telemetry] = None  # type: ignore[assignment]  # the import system's way to say: not to be had
    try:
        return import_module("openvino")
    finally:
        del sys.modules[telemetry]


def every_pooling(taps: Sequence[Tap]) -> tuple[Tap, ...]:
    """Each cut of the taps with every pooling: one converted model serves all of them."""
    return tuple(Tap(cut, pool) for cut in sorted({tap.cut for tap in taps}) for pool in get_args(Pool))


def converted_folder(backbone: Backbone, taps: Sequence[Tap]) -> Path:
    """Where the converted model lies, or would."""
    described = {
        "network": backbone.digest,
        "mean": backbone.preprocessing.mean,
        "std": backbone.preprocessing.std,
        "cuts": sorted({tap.cut for tap in taps}),
        "versions": [__version__, torch.__version__, import_openvino().__version__],
    }
    key = hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=20).hexdigest()
    return cache_folder() / "engines" / key


def is_converted(backbone: Backbone, taps: Sequence[Tap]) -> bool:
    """Whether `load_model` will find the converted model."""
    return (converted_folder(backbone, taps) / "model.xml").is_file()


def load_model(backbone: Backbone, taps: Sequence[Tap]) -> Any:
    """Read the converted model from the cache, converting it first where it is not there.

    Returns
    -------
    openvino.Model
        From pixels (n, 3, s, s), uint8, any n, to float32 (n, d) for each of `taps`, in their order.

    Raises
    ------
    BackboneError
        OpenVINO cannot take the network.
    """
    folder = converted_folder(backbone, taps)
    model = _read(folder)
    if model is None:
        model = convert(backbone, every_pooling(taps))
        if _write(model, folder):
            model = _read(folder) or model  # the second run shall compute with exactly what the first had
    every = every_pooling(taps)
    results = [model.results[every.index(tap)] for tap in taps]
    return import_openvino().Model(results, model.get_parameters(), backbone.name)


def convert(backbone: Backbone, taps: Sequence[Tap]) -> Any:
    """Convert a backbone: scaling, network and pooling in one OpenVINO model.

    Through torch.export: half the time of tracing with torch.jit, which is deprecated besides.
    """
    openvino = import_openvino()
    network = TappedNetwork(backbone, taps).eval()
    side = backbone.preprocessing.crop
    batch = torch.export.Dim("batch", min=1, max=65_536)
    example = torch.zeros((2, 3, side, side), dtype=torch.uint8)
    try:
        with torch.no_grad():
            exported = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
            model = openvino.convert_model(exported)
        model.reshape([-1, 3, side, side])
    except Exception as error:  # torch and OpenVINO raise whatever they like at a network they cannot take
        raise BackboneError(
            f"OpenVINO cannot take {backbone.name} ({one_line(error)}): use --engine eager."
        ) from error
    return model


def _read(folder: Path) -> Any:
    """Read a model from the cache; None if it is not there or damaged."""
    path = folder / "model.xml"
    if not path.is_file():
        return None
    try:
        return import_openvino().Core().read_model(path)
    except RuntimeError as error:
        logger.warning("%s is damaged (%s): it is made again.", path, one_line(error))
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _write(model: Any, folder: Path) -> bool:
    """Write a model to the cache whole or not at all; tell whether it is there."""
    partial = folder.with_name(f"{uuid.uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True)
        import_openvino().save_model(model, partial / "model.xml", compress_to_fp16=False)
        partial.rename(folder)
    except (OSError, RuntimeError) as error:
        if (folder / "model.xml").is_file():
            return True  # another process was faster
        logger.warning("The converted model cannot be kept (%s): the next run converts again.", error)
        return False
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True


def weight_bytes(model: Any, bytes_a_float: int) -> int:
    """Bytes of a model's weights where a float32 of the file is held in `bytes_a_float`."""
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    sizes = [(prod(op.get_output_shape(0)), op.get_element_type().size) for op in constants]
    return sum(count * (bytes_a_float if size == 4 else size) for count, size in sizes)
