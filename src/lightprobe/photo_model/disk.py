"""A model on disk: `model.safetensors` for the numbers, `config.json` for the rest, a card for people.

Nothing is ever unpickled. A folder is written beside its target and then put in its place, so a crash leaves
the old model or the new one, never half of each, and never none. The configuration holds a checksum of the
numbers and one of itself: whatever was changed or damaged is found when it is read.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, load_file, save_file

from lightprobe.atomic import (
    is_stream,
    left_over,
    not_written,
    partial_folder,
    put_folder_in_place,
    recover_folder,
    set_permissions,
    through_links,
)
from lightprobe.errors import MissingExtraError, ModelFileError, one_line
from lightprobe.json_text import to_json
from lightprobe.locks import locked

FORMAT = "lightprobe"
# Version 1 had no checksum of the configuration.
FORMAT_VERSION, WITHOUT_CHECKSUM = 2, 1
TENSORS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
MODEL = "model"  # in the folder of a run
NO_CHECKSUM = "0" * 64  # stands in the configuration while its checksum is computed
LONG_AGO = 3600.0  # seconds, after which what is half written was left by a process that was killed
FINITE_AT_ONCE = 1 << 20  # numbers that are looked at in one go


def is_model(folder: Path) -> bool:
    """Tell whether a folder holds a model of ours, whole or not."""
    return (folder / CONFIG).is_file() or (_lost(folder) and (folder / CONFIG).is_file())


def model_folder(folder: Path) -> Path:
    """Return where a model lies: the folder itself, or its `model` where it is that of a run."""
    return folder / MODEL if not is_model(folder) and is_model(folder / MODEL) else folder


def write_model(
    folder: Path,
    tensors: Mapping[str, NDArray[Any]],
    config: Mapping[str, object],
    card: str,
    replaces: str | None = None,
) -> str:
    """Write a model, replacing one that lies there already; files of others beside it stay.

    Parameters
    ----------
    folder : Path
        Where the model shall lie; parents are made. A link is written through.
    tensors : mapping of str to ndarray
        The numbers.
    config : mapping
        JSON values.
    card : str
        Markdown for people.
    replaces : str, optional
        The `model_digest` of what may be replaced. Without it any model may be.

    Returns
    -------
    digest : str
        As `model_digest` has it.

    Raises
    ------
    ModelFileError
        If something other than a model lies there, another model than `replaces`, or a value is no number.
    WriteError, LockedError
        If the disk is full or cannot be written to; if another process does not come to its end there.
    """
    target = through_links(folder)
    with locked(target):
        _require_place(folder, target, replaces)
        partial = partial_folder(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.mkdir()
            written = _write_parts(partial, tensors, config, card)
            if target.is_dir():
                _keep_others(target, partial)
            put_folder_in_place(partial, target)
        except OSError as error:
            raise not_written(folder, error) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            for abandoned in left_over(target, LONG_AGO):
                shutil.rmtree(abandoned, ignore_errors=True)
        return written


def read_model(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `write_model` wrote, here or in the `model` of a run.

    Raises
    ------
    ModelFileError
        If there is no model, or it is foreign, damaged, changed or of another format version.
    """
    folder = model_folder(folder)
    config = read_config(folder)
    try:
        if _sha256(folder / TENSORS) != config.get("sha256"):
            raise ModelFileError(
                f"{folder / TENSORS} is not the file that was saved: it was changed or damaged."
            )
        tensors = _tensors(folder / TENSORS)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise ModelFileError(f"{folder / TENSORS} cannot be read ({error}): train the model again.") from None
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            raise ModelFileError(
                f"{folder / TENSORS} holds numbers that are none (NaN or infinity, in {name!r}): "
                "train the model again."
            )
    return tensors, config


def read_config(folder: Path) -> dict[str, Any]:
    """Read a model's configuration alone; see `read_model`."""
    if not is_model(folder):
        raise ModelFileError(
            f"{folder} holds no lightprobe model ({CONFIG} and {TENSORS}): "
            "name the folder that `train` wrote, RUN or RUN/model."
        )
    path = folder / CONFIG
    try:
        content = path.read_bytes()
        config = json.loads(content.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} cannot be read ({error}): train the model again.") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFileError(f"{path} was not written by lightprobe: name the folder that `train` wrote.")
    if config.get("format_version") not in (WITHOUT_CHECKSUM, FORMAT_VERSION):
        raise ModelFileError(
            f"{folder} has format version {config.get('format_version')}, "
            f"and this lightprobe reads {WITHOUT_CHECKSUM} and {FORMAT_VERSION}: "
            "use the lightprobe that wrote it, or train the model again."
        )
    checksum = config.get("checksum")
    if config["format_version"] != WITHOUT_CHECKSUM and (
        not isinstance(checksum, str) or _checksum(content, checksum) != checksum
    ):
        raise ModelFileError(f"{path} is not the file that was saved: it was changed or damaged.")
    return config


@contextmanager
def whole_parts(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Say of parts that are missing or do not fit each other, while they are put together, where they lie.

    Raises
    ------
    ModelFileError
        For anything that is raised, but what an extra or memory lacks: what is damaged or made up may raise
        anything.
    """
    try:
        yield
    except (MissingExtraError, ModelFileError, MemoryError):
        raise
    except Exception as error:
        raise ModelFileError(
            f"{folder} is damaged or incomplete ({one_line(error)}): train the model again."
        ) from error


def model_digest(model: Path) -> str:
    """Digest of a model: of its configuration, which holds that of the numbers, or of an exported file."""
    return _sha256(model / CONFIG if model.is_dir() else model)


def model_bytes(folder: Path) -> int:
    """Bytes that a model takes on disk."""
    return sum((folder / name).stat().st_size for name in (TENSORS, CONFIG, CARD))


def _require_place(folder: Path, target: Path, replaces: str | None) -> None:
    """Raise unless there is nothing, an empty folder, or a model that may be replaced."""
    if not target.exists():
        is_stream(folder)  # which a link to itself is not, either
        recover_folder(target, _is_whole)
    if target.exists() and not (target.is_dir() and (is_model(target) or not any(target.iterdir()))):
        raise ModelFileError(
            f"{folder} exists and is not a lightprobe model: name another folder to save to."
        )
    if replaces is not None and is_model(target) and model_digest(target) != replaces:
        raise ModelFileError(
            f"The model in {folder} is another one than was read from there: somebody has changed it "
            "meanwhile. Read it again and repeat what was done, or save to another folder."
        )


def _write_parts(
    folder: Path, tensors: Mapping[str, NDArray[Any]], config: Mapping[str, object], card: str
) -> str:
    try:
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / TENSORS)
    except SafetensorError as error:
        raise _as_os_error(error) from None
    set_permissions(folder / TENSORS)
    described = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "checksum": NO_CHECKSUM,
        "sha256": _sha256(folder / TENSORS),
        **config,
    }
    content = _configuration(described).encode()
    content = content.replace(NO_CHECKSUM.encode(), hashlib.sha256(content).hexdigest().encode(), 1)
    (folder / CONFIG).write_bytes(content)
    # A class whose name is no text in UTF-8 is shown by its escape.
    (folder / CARD).write_text(card, encoding="utf-8", errors="backslashreplace")
    return hashlib.sha256(content).hexdigest()


def _checksum(content: bytes, checksum: str) -> str:
    """Compute a configuration's checksum, with zeros in its place."""
    return hashlib.sha256(content.replace(checksum.encode(), NO_CHECKSUM.encode(), 1)).hexdigest()


def _as_os_error(error: SafetensorError) -> OSError:
    """Find the system's error in a text such as `I/O error: No space left on device (os error 28)`."""
    found = re.search(r"os error (\d+)", str(error))
    code = int(found.group(1)) if found else errno.EIO
    return OSError(code, os.strerror(code))


def _keep_others(old: Path, new: Path) -> None:
    """Take along what people have put into a model's folder: it is not ours to delete."""
    for other in old.iterdir():
        if other.name in (TENSORS, CONFIG, CARD):
            continue
        if other.is_dir() and not other.is_symlink():
            shutil.copytree(other, new / other.name, symlinks=True)
        else:
            shutil.copy2(other, new / other.name, follow_symlinks=False)


def _lost(folder: Path) -> bool:
    """Give a model back its name that a killed process had just taken away; tell whether there was one."""
    target = through_links(folder)
    if target.exists() or not left_over(target):
        return False
    with locked(target):  # which waits for a process that is alive and puts another one there
        return recover_folder(target, _is_whole) or target.exists()


def _is_whole(folder: Path) -> bool:
    try:
        return (folder / CONFIG).is_file() and _sha256(folder / TENSORS) == read_config(folder).get("sha256")
    except (OSError, ModelFileError):
        return False


def _is_finite(tensor: NDArray[Any]) -> bool:
    if tensor.dtype.kind not in "fc":
        return True
    flat = tensor.reshape(-1)
    return all(
        bool(np.isfinite(flat[start : start + FINITE_AT_ONCE]).all())
        for start in range(0, flat.size, FINITE_AT_ONCE)
    )


def _configuration(described: Mapping[str, object]) -> str:
    try:
        return to_json(described, indent=2, require_finite=True) + "\n"
    except ValueError as error:
        raise ModelFileError(
            f"The model cannot be saved, as {error}: train again with another `alpha` or `precision='fp32'`."
        ) from None


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
