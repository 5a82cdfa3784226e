"""Graphs that took long to make, kept on disk, keyed by everything that changes them."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lightprobe.checked_tensors import DamagedFileError, open_tensors, write_tensors
from lightprobe.errors import one_line
from lightprobe.paths import cache_folder
from lightprobe.versions import versions_of

logger = logging.getLogger(__name__)

Parts = dict[str, NDArray[Any]]


def graph_file(described: Mapping[str, Any], *packages: str) -> Path:
    """Where the graph of this description lies, or would, made by these packages as they are installed."""
    own = {"layout": 2, "versions": versions_of("openvino", *packages)}  # layout: raised with this file's own
    text = json.dumps({**described, **own}, sort_keys=True)
    key = hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
    return cache_folder() / "engines" / f"{key}.safetensors"


def read_graph(path: Path) -> tuple[Parts, dict[str, Any]] | None:
    """Read a graph's bytes and what was written with them; None if they are not there or damaged."""
    if not path.is_file():
        return None
    try:
        with open_tensors(path) as file:
            return {name: file.tensor(name) for name in file.names}, json.loads(file.metadata["config"])
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        logger.warning("%s is damaged (%s): it is made again.", path, error)
        return None


def keep_graph(path: Path, parts: Parts, config: Mapping[str, Any]) -> None:
    """Write a graph whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, parts, {"config": json.dumps(config)})
    except OSError as error:
        logger.warning(
            "The converted network cannot be kept (%s): the next run converts again.", one_line(error)
        )


def read_or_make(path: Path, make: Callable[[], Parts]) -> Parts:
    """Read the graph that is kept there; make it and keep it there first if there is none."""
    found = read_graph(path)
    if found is not None:
        return found[0]
    parts = make()
    keep_graph(path, parts, {})
    return parts
