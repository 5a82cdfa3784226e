"""A model on disk: `model.safetensors` for the numbers, `config.json` for the rest, a card for people.

Nothing is ever unpickled. A folder is written beside its target and then renamed, so a crash leaves the old
model or the new one, never half of each; the checksum in the configuration finds files that were changed.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save_file

from lightprobe.errors import ModelFileError
from lightprobe.json_text import to_json

FORMAT = "lightprobe"
FORMAT_VERSION = 1
TENSORS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
MODEL = "model"  # in the folder of a run


def is_model(folder: Path) -> bool:
    """Tell whether a folder holds a model of ours, whole or not."""
    return (folder / CONFIG).is_file()


def model_folder(folder: Path) -> Path:
    """Return where a model lies: the folder itself, or its `model` where it is that of a run."""
    return folder / MODEL if not is_model(folder) and is_model(folder / MODEL) else folder


def write_model(
    folder: Path, tensors: Mapping[str, NDArray[Any]], config: Mapping[str, object], card: str
) -> None:
    """Write a model, replacing one that lies there already.

    Parameters
    ----------
    folder : Path
        Where the model shall lie; parents are made.
    tensors : mapping of str to ndarray
        The numbers.
    config : mapping
        JSON values.
    card : str
        Markdown for people.

    Raises
    ------
    ModelFileError
        If something other than a model lies there, or a value is no number (NaN).
    """
    if folder.exists() and not (folder.is_dir() and (is_model(folder) or not any(folder.iterdir()))):
        raise ModelFileError(
            f"{folder} exists and is not a lightprobe model: name another folder to save to."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    try:
        partial.mkdir()
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, partial / TENSORS)
        described = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "sha256": _sha256(partial / TENSORS),
            **config,
        }
        (partial / CONFIG).write_text(_configuration(described), encoding="utf-8")
        # A class whose name is no text in UTF-8 is shown by its escape.
        (partial / CARD).write_text(card, encoding="utf-8", errors="backslashreplace")
        _swap(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_model(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `write_model` wrote, here or in the `model` of a run.

    Raises
    ------
    ModelFileError
        If there is no model, or it is foreign, damaged, changed or of another format version.
    """
    folder = model_folder(folder)
    if not is_model(folder):
        raise ModelFileError(
            f"{folder} holds no lightprobe model ({CONFIG} and {TENSORS}): "
            "name the folder that `train` wrote, RUN or RUN/model."
        )
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{folder / CONFIG} cannot be read ({error}): train the model again.") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFileError(
            f"{folder / CONFIG} was not written by lightprobe: name the folder that `train` wrote."
        )
    if config.get("format_version") != FORMAT_VERSION:
        raise ModelFileError(
            f"{folder} has format version {config.get('format_version')}, "
            f"and this lightprobe reads {FORMAT_VERSION}: "
            "use the lightprobe that wrote it, or train the model again."
        )
    try:
        if _sha256(folder / TENSORS) != config.get("sha256"):
            raise ModelFileError(
                f"{folder / TENSORS} is not the file that was saved: it was changed or damaged."
            )
        return _tensors(folder / TENSORS), config
    except (OSError, SafetensorError) as error:
        raise ModelFileError(f"{folder / TENSORS} cannot be read ({error}): train the model again.") from None


def model_digest(model: Path) -> str:
    """Digest of a model: of its configuration, which holds that of the numbers, or of an exported file."""
    return _sha256(model / CONFIG if model.is_dir() else model)


def model_bytes(folder: Path) -> int:
    """Bytes that a model takes on disk."""
    return sum(file.stat().st_size for file in folder.iterdir())


def _configuration(described: Mapping[str, object]) -> str:
    try:
        return to_json(described, indent=2, require_finite=True) + "\n"
    except ValueError as error:
        raise ModelFileError(
            f"The model cannot be saved, as {error}: train again with another --alpha or --precision fp32."
        ) from None


def _swap(new: Path, target: Path) -> None:
    """Put a folder in another one's place; the old one is gone only when the new one stands."""
    if not target.exists():
        new.rename(target)
        return
    old = target.parent / f".{target.name}.{uuid.uuid4().hex}"
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read tensors; safetensors opens no path that is not UTF-8, so from there they come as bytes."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return load(path.read_bytes())
    return load_file(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
