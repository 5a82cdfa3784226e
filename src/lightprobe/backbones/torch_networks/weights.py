"""Weights from files and from torchvision: read only what a cut network needs, complain precisely."""

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torchvision.models import WeightsEnum

from lightprobe.backbones.torch_networks.families import Family
from lightprobe.errors import WeightsError, one_line

Readers = dict[str, Callable[[], Tensor]]
FACTS: Final = ("mean", "std", "resize", "crop", "interpolation", "fit", "arguments")
PICKLES: Final = (".pth", ".pt")


def open_weights(path: Path) -> Readers:
    """Open a weights file: {key: function that reads that tensor}.

    Raises
    ------
    WeightsError
        The file is missing, damaged, of another kind, or holds more than tensors.
    """
    if not path.is_file():
        raise WeightsError(f"There is no file {path}; `weights` takes a .safetensors, .pth or .pt file.")
    if path.suffix == ".safetensors":
        try:
            handle: Any = safe_open(path, framework="pt")
            return {key: partial(handle.get_tensor, key) for key in sorted(handle.keys())}
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path} is no readable safetensors file: {one_line(error)}.") from error
    if path.suffix not in PICKLES:
        raise WeightsError(f"{path} has an unknown ending; `weights` takes a .safetensors, .pth or .pt file.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged or hostile file raises whatever it likes
        raise WeightsError(
            f"{path} cannot be read as plain weights ({one_line(error)}); lightprobe runs no code from "
            "weights files: save the network's state_dict with torch.save, or better as .safetensors."
        ) from error
    return _readers(content, str(path))


def download_weights(enum: WeightsEnum, network: str) -> Readers:
    """Weights that torchvision publishes, from its cache (TORCH_HOME) or downloaded into it.

    Raises
    ------
    WeightsError
        They are neither cached nor downloadable: the message says where to get them and where to put them.
    """
    name = enum.url.rpartition("/")[2]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch.hub announces downloads on stdout
            content = enum.get_state_dict(
                progress=sys.stderr.isatty(), check_hash=True, map_location="cpu", weights_only=True
            )
    except OSError as error:
        raise WeightsError(
            f"The weights of {network} are not on this machine and cannot be downloaded ({one_line(error)}): "
            f"get {name} from {enum.url} and put it into {cached.parent}, or name it with `weights`."
        ) from error
    except Exception as error:  # a wrong checksum, or a damaged file in the cache
        raise WeightsError(
            f"The weights of {network} in {cached} are damaged ({one_line(error)}): "
            f"delete the file, or replace it by the one at {enum.url}."
        ) from error
    return _readers(content, str(cached))


def _readers(content: Any, where: str) -> Readers:
    """Turn a loaded state dict, or a training checkpoint around one, into readers."""
    if isinstance(content, Mapping):
        for wrapper in ("state_dict", "model"):  # as torchvision's and timm's training scripts save them
            if isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(f"{where} holds no state_dict, a mapping from names to tensors.")
    return {str(key): partial(_same, tensor) for key, tensor in content.items()}


def _same(tensor: Tensor) -> Tensor:
    return tensor


def read_facts(path: Path) -> dict[str, Any]:
    """Facts about a weights file from `FILE.json` beside it, {} if there is none.

    Raises
    ------
    WeightsError
        The file is no JSON object, or has keys beyond `FACTS`.
    """
    beside = path.with_name(path.name + ".json")
    if not beside.is_file():
        return {}
    try:
        facts = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{beside} is no JSON: {one_line(error)}.") from error
    if not isinstance(facts, dict) or not isinstance(facts.get("arguments", {}), dict):
        raise WeightsError(f"{beside} must hold a JSON object, and its `arguments` must be one too.")
    if unknown := sorted(set(facts) - set(FACTS)):
        raise WeightsError(f"{beside} has unknown keys {', '.join(unknown)}; it may hold {', '.join(FACTS)}.")
    return facts


def read_state(
    readers: Readers, needed: Mapping[str, Tensor], known: Iterable[str], family: Family, where: str
) -> dict[str, Tensor]:
    """Read the tensors that a cut network needs, as float32.

    Parameters
    ----------
    readers : dict
        From `open_weights` or `download_weights`.
    needed : mapping
        Names and shapes (meta tensors) of the cut network.
    known : iterable of str
        All keys of the whole network; what is behind the cut may be there or not.
    family : Family
        Its renames, auxiliary heads and position embedding.
    where : str
        For messages: the file.

    Raises
    ------
    WeightsError
        Missing keys, keys that the network does not have, or tensors of another shape or kind.
    """
    renamed = {_rename(key, family): reader for key, reader in readers.items()}
    missing = [key for key in needed if key not in renamed]
    extra = sorted(key for key in set(renamed) - set(known) if not key.startswith(family.auxiliary))
    if missing or extra:
        faults = [_some(keys, what) for keys, what in ((missing, "missing"), (extra, "unknown")) if keys]
        raise WeightsError(
            f"{where} does not hold this network's weights; of its keys, {' and '.join(faults)}."
        )
    state, misfits = {}, []
    for key, expected in needed.items():
        tensor = renamed[key]()
        if key == family.positions and tensor.ndim == expected.ndim and tensor.shape != expected.shape:
            tensor = resize_positions(tensor.float(), expected.shape[1])
        if tensor.shape != expected.shape or not tensor.is_floating_point():
            misfits.append(
                f"{key} is {tensor.dtype} {tuple(tensor.shape)} and not float {tuple(expected.shape)}"
            )
        else:
            state[key] = tensor.to(torch.float32, copy=True)  # a copy: the file may change under a memory map
    if misfits:
        raise WeightsError(
            f"{where} does not hold this network's weights; of its tensors, {_some(misfits, 'misshapen')}."
        )
    return state


def resize_positions(embedding: Tensor, tokens: int) -> Tensor:
    """Interpolate a position embedding (1, 1 + side², d), class token first, to (1, `tokens`, d)."""
    from torchvision.models.vision_transformer import interpolate_embeddings

    key, side = "encoder.pos_embedding", round((tokens - 1) ** 0.5)
    resized: Tensor = interpolate_embeddings(side, 1, {key: embedding})[key]
    return resized


def _rename(key: str, family: Family) -> str:
    for pattern, replacement in family.renames:
        key = re.sub(pattern, replacement, key)
    return key


def _some(items: list[str], what: str, shown: int = 3) -> str:
    """Write out the first few of a list, and how many there are."""
    more = f", and {len(items) - shown} more" if len(items) > shown else ""
    return f"{len(items)} {'is' if len(items) == 1 else 'are'} {what} ({', '.join(items[:shown])}{more})"
