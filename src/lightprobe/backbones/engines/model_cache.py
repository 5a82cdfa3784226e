"""OpenVINO models that are kept on disk, keyed by everything that changes them."""

import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from lightprobe._version import __version__
from lightprobe.backbones.architecture import one_line
from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.conversion import import_openvino
from lightprobe.paths import cache_folder

logger = logging.getLogger(__name__)

_FILE: Final = "model.xml"


def model_folder(backbone: Backbone, cuts: Iterable[str], calibration: str = "") -> Path:
    """Where the model of these layers lies, or would; `calibration` is a digest, for int8 models."""
    described = {
        "network": backbone.digest,
        "mean": backbone.preprocessing.mean,
        "std": backbone.preprocessing.std,
        "cuts": sorted(cuts),
        "calibration": calibration,
        "versions": [__version__, *(version(package) for package in ("torch", "openvino"))],
    }
    key = hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=20).hexdigest()
    return cache_folder() / "engines" / key


def is_kept(folder: Path) -> bool:
    """Whether a model lies there."""
    return (folder / _FILE).is_file()


def read_or_make(folder: Path, make: Callable[[], Any]) -> Any:
    """Read the model that is kept in a folder; make it and keep it there first if there is none."""
    model = _read(folder)
    if model is None:
        model = make()
        if _write(model, folder):
            model = _read(folder) or model  # the second run shall compute with exactly what the first had
    return model


def _read(folder: Path) -> Any:
    """Read a model; None if it is not there or damaged."""
    if not is_kept(folder):
        return None
    try:
        return import_openvino().Core().read_model(folder / _FILE)
    except RuntimeError as error:
        logger.warning("%s is damaged (%s): it is made again.", folder, one_line(error))
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _write(model: Any, folder: Path) -> bool:
    """Write a model whole or not at all; tell whether it is there."""
    partial = folder.with_name(f"{uuid.uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True)
        import_openvino().save_model(model, partial / _FILE, compress_to_fp16=False)
        partial.rename(folder)
    except (OSError, RuntimeError) as error:
        if is_kept(folder):  # another process was faster
            return True
        logger.warning("The converted model cannot be kept (%s): the next run converts again.", error)
        return False
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True
