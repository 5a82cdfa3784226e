"""Tensors in files of the cache, each with a checksum: a damaged one is found when it is read.

XXH3 finds what disks and memory do to files, in a fraction of the time that reading them takes; it is no
protection against who changes them on purpose.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lightprobe.atomic import write_whole

_PREFIX: Final = "xxh3 "  # before a tensor's name, its checksum; alone, that of the other metadata


class DamagedFileError(Exception):
    """A file is not what was written."""


class CheckedTensors:
    """An open file of tensors.

    Parameters
    ----------
    file
        As safetensors opened it.

    Attributes
    ----------
    metadata : dict of str to str
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        metadata: dict[str, str] = file.metadata() or {}
        self._checksums = {
            name.removeprefix(_PREFIX): value for name, value in metadata.items() if name.startswith(_PREFIX)
        }
        self.metadata = {name: value for name, value in metadata.items() if not name.startswith(_PREFIX)}
        if self._checksums.get("") != _checksum_of_text(self.metadata):
            raise DamagedFileError("its checksum is another")

    @property
    def names(self) -> list[str]:
        """Names of the tensors."""
        return list(self._file.keys())

    def tensor(self, name: str) -> NDArray[Any]:
        """Read one."""
        tensor: NDArray[Any] = self._file.get_tensor(name)
        if self._checksums.get(name) != _checksum(tensor):
            raise DamagedFileError("its checksum is another")
        return tensor


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write tensors with their checksums, whole or not at all.

    Raises
    ------
    OSError
        If the disk is full or cannot be written to.
    """
    whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    checksums = {f"{_PREFIX}{name}": _checksum(tensor) for name, tensor in whole.items()}
    checksums[_PREFIX] = _checksum_of_text(metadata)
    # What is lost when the power fails is made again.
    write_whole(path, save(whole, {**metadata, **checksums}), durable=False)


@contextmanager
def open_tensors(path: Path) -> Iterator[CheckedTensors]:
    """Open what `write_tensors` wrote.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    DamagedFileError
        If it cannot be read, or is not what was written; of a tensor when that is read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            yield CheckedTensors(file)
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFileError(str(error)) from None


def _checksum(tensor: NDArray[Any]) -> str:
    digest = xxhash.xxh3_128(f"{tensor.dtype.str} {tensor.shape}".encode())
    digest.update(tensor.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _checksum_of_text(metadata: Mapping[str, str]) -> str:
    return xxhash.xxh3_128(repr(sorted(metadata.items())).encode("utf-8", "surrogatepass")).hexdigest()
