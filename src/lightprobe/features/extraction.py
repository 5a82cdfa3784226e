"""An image set and a backbone become feature matrices."""

import logging
import tempfile
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Tap
from lightprobe.bars import tqdm
from lightprobe.errors import DataError
from lightprobe.features.cache import DIGEST_BYTES, FeatureCache, FeatureStore, as_table
from lightprobe.features.runner import BackboneRunner
from lightprobe.features.streaming import Inspector, Key, stream
from lightprobe.images import ImageSet, Skipped
from lightprobe.runtime import Runtime

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Features(Generic[Key]):
    """Feature matrices of the photos that could be decoded.

    Attributes
    ----------
    matrices : dict of Tap, or TapSet, to ndarray of float16, shape (n, n_features)
        One matrix each; a memory-mapped file where memory would not hold it.
    kept : ndarray of int64, shape (n,)
        Which photos of the image set the rows are, in its order.
    skipped : tuple of Skipped
        The photos that could not be decoded.
    seconds : float
        What looking at the photos costs without a cache: rows taken from it count at their recorded cost.
    n_cached : int
        Rows that came from the cache.
    digests : ndarray of uint8, shape (n, 20)
        Digest of each photo's bytes: its key in the cache.
    """

    matrices: dict[Key, NDArray[np.float16]]
    kept: NDArray[np.int64]
    skipped: tuple[Skipped, ...]
    seconds: float
    n_cached: int
    digests: NDArray[np.uint8]


def extract(
    images: ImageSet, compiled: BackboneRunner, runtime: Runtime, inspect: Inspector | None = None
) -> Features[Tap]:
    """Look at every photo once and return what the network sees.

    Parameters
    ----------
    images : ImageSet
        The photos.
    compiled : BackboneRunner
        The network, compiled for the taps that are wanted.
    runtime : Runtime
        Batch size, decoding threads, whether rows are looked up and kept in the cache, whether to stop at
        the first photo that cannot be decoded, and whether to draw a bar.
    inspect : callable, optional
        Is told of every photo; see `stream`.

    Raises
    ------
    DataError
        If `strict` and a photo cannot be decoded, or if none can.
    """
    stores: dict[Tap, FeatureStore] = {}
    if runtime.cache:
        cache = FeatureCache()
        stores = {tap: cache.store(provenance(compiled, tap)) for tap in compiled.runner.taps}
    matrices: dict[Tap, NDArray[np.float16]] = {}
    seen = np.zeros(len(images), bool)
    digests = np.zeros((len(images), DIGEST_BYTES), np.uint8)
    skipped: list[Skipped] = []
    seconds, n_cached = 0.0, 0
    chunks = stream(images, compiled, runtime, stores=stores, digests=True, inspect=inspect)
    with tqdm(total=len(images), unit="image", desc="Looking at photos", disable=not runtime.progress) as bar:
        for chunk in chunks:
            for index, error in chunk.failed.items():
                if runtime.strict:
                    chunks.close()
                    raise DataError(
                        f"{images.paths[index]} {error.reason}: remove or replace it, "
                        "or leave `strict` out to skip such files."
                    )
                skipped.append(Skipped(images.paths[index], error.reason, remedy=error.remedy))
            if chunk.digests:
                digests[chunk.indices] = as_table(chunk.digests)
            for tap, rows in chunk.features.items():
                if tap not in matrices:
                    matrices[tap] = _allocate(len(images), rows.shape[1])
                matrices[tap][chunk.indices] = rows
            seen[chunk.indices] = True
            seconds += chunk.seconds
            n_cached += len(chunk.indices) if chunk.cached else 0
            bar.update(len(chunk.indices) + len(chunk.failed))
    kept = np.flatnonzero(seen)
    if not len(kept):
        raise DataError(
            f"None of the {len(images)} images can be decoded; "
            f"the first, {skipped[0].path}, {skipped[0].reason}: give other files."
        )
    return Features(
        {tap: _compact(matrix, kept) for tap, matrix in matrices.items()},
        kept,
        tuple(skipped),
        seconds,
        n_cached,
        digests[kept],
    )


def provenance(compiled: BackboneRunner, tap: Tap) -> dict[str, object]:
    """Everything, apart from the image itself, that changes a row of features."""
    return {
        "network": compiled.backbone.digest,
        "cut": tap.cut,
        "pool": tap.pool,
        "preprocessing": compiled.backbone.preprocessing.to_config(),
        "runner": compiled.runner.fingerprint,
    }


def _allocate(rows: int, columns: int) -> NDArray[np.float16]:
    """Allocate in memory, or in a file that vanishes with the process where memory would not hold it."""
    import psutil

    if rows * columns * 2 < psutil.virtual_memory().available // 2:
        return np.empty((rows, columns), np.float16)
    logger.info("%d × %d features do not fit in memory: they lie in a temporary file.", rows, columns)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float16, "w+", shape=(rows, columns))


def _compact(matrix: NDArray[np.float16], kept: NDArray[np.int64]) -> NDArray[np.float16]:
    """Close the gaps that skipped photos left, in place."""
    for position in range(int(np.argmax(np.append(kept, -1) != np.arange(len(kept) + 1))), len(kept)):
        matrix[position] = matrix[kept[position]]
    return matrix[: len(kept)]
