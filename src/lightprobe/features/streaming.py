"""Photos through a compiled network, batch by batch: decoding threads beside inference."""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Preprocessing, Runner, Tap
from lightprobe.errors import BackboneError, ImageError, one_line
from lightprobe.features.cache import FeatureStore, image_digest
from lightprobe.features.runner import BackboneRunner
from lightprobe.images import ImageSet, decode, decode_ahead, default_workers
from lightprobe.runtime import Runtime

logger = logging.getLogger(__name__)

Key = TypeVar("Key")
# Is told a photo's index, its content and its pixels as they were decoded; called in the decoding threads.
Inspector = Callable[[int, bytes | NDArray[np.uint8], NDArray[np.uint8]], None]

FLOAT16_MAX = float(np.finfo(np.float16).max)
# A shard of the cache is written every so many batches: what a killed run loses.
BATCHES_A_SHARD = 4


@dataclass(frozen=True)
class Chunk(Generic[Key]):
    """Some photos, seen.

    Attributes
    ----------
    indices : ndarray of int64, shape (n,)
        Which photos of the image set these are.
    features : dict of Tap, or TapSet, to ndarray of float16, shape (n, n_features)
        What the network returned for them.
    failed : dict of int to ImageError
        Photos that cannot be decoded.
    seconds : float
        What these photos cost; for rows from the cache, what they cost when they were computed.
    cached : bool
        Whether the rows come from the cache.
    digests : tuple of bytes
        Digest of each photo's bytes, where they were asked for.
    """

    indices: NDArray[np.int64]
    features: dict[Key, NDArray[np.float16]]
    failed: dict[int, ImageError]
    seconds: float
    cached: bool
    digests: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class _Looked:
    """One photo after a worker has had it: pixels to run, rows of the cache, or why neither."""

    index: int
    digest: bytes = b""
    pixels: NDArray[np.uint8] | None = None
    rows: dict[Tap, NDArray[np.float16]] | None = None
    error: ImageError | None = None


def stream(
    images: ImageSet,
    compiled: BackboneRunner,
    runtime: Runtime,
    *,
    stores: Mapping[Tap, FeatureStore] | None = None,
    digests: bool = False,
    inspect: Inspector | None = None,
) -> Generator[Chunk[Tap]]:
    """Yield the features of all photos in chunks, in no promised order.

    Worker threads read, look the photo's bytes up in `stores`, and decode and resize what is not there;
    this thread runs the network. At most a few batches of photos are in memory at a time. Every batch has
    the same size (the last one is padded), so features do not depend on which photos were cached.

    Parameters
    ----------
    images : ImageSet
        The photos.
    compiled : BackboneRunner
    runtime : Runtime
        Its batch size and its decoding threads.
    stores : mapping of Tap to FeatureStore, optional
        Where rows are looked up and kept.
    digests : bool
        Whether chunks carry digests of the photos' bytes.
    inspect : callable, optional
        Is told of every photo that is decoded, which then are all, those too whose rows are in the cache.
    """
    images = images.limited(runtime.max_megapixels)
    stores = stores or {}
    preprocessing, workers = compiled.backbone.preprocessing, runtime.workers or default_workers()
    batch = _Batch(compiled.runner, min(runtime.batch_size, max(1, len(images))), preprocessing.crop, stores)
    try:
        ahead = batch.size * 2 + workers
        for looked in _look(images, preprocessing, ahead, workers, stores, digests, inspect):
            if looked.error is not None:
                yield Chunk(np.empty(0, np.int64), {}, {looked.index: looked.error}, 0.0, cached=False)
            elif looked.rows is not None:
                rows = {tap: row[None] for tap, row in looked.rows.items()}
                seconds = max(store.seconds(looked.digest) for store in stores.values())
                yield Chunk(
                    np.array([looked.index]), rows, {}, seconds, cached=True, digests=(looked.digest,)
                )
            elif batch.add(looked):
                yield batch.run()
        if batch.filled:
            yield batch.run()
    finally:
        # Also when the caller stops early or Ctrl-C comes: what has been computed is kept.
        batch.keep()


class _Batch:
    """A reused input buffer, the network behind it, and the rows that wait to be written to the cache."""

    def __init__(self, runner: Runner, size: int, side: int, stores: Mapping[Tap, FeatureStore]) -> None:
        self.size = size
        self.filled = 0
        self._runner = runner
        self._stores = stores
        self._pixels = np.zeros((size, side, side, 3), np.uint8)
        self._indices: list[int] = []
        self._digests: list[bytes] = []
        self._waiting: list[tuple[list[bytes], dict[Tap, NDArray[np.float16]], float]] = []
        self._clock = time.perf_counter()

    def add(self, looked: _Looked) -> bool:
        """Copy a photo into the buffer; tell whether the buffer is full."""
        assert looked.pixels is not None
        self._pixels[self.filled] = looked.pixels
        self._indices.append(looked.index)
        self._digests.append(looked.digest)
        self.filled += 1
        return self.filled == self.size

    def run(self) -> Chunk[Tap]:
        """Run the network over the buffer and empty it."""
        outputs = self._runner(self._pixels)
        features = {tap: as_float16(values[: self.filled]) for tap, values in outputs.items()}
        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        chunk = Chunk(
            np.array(self._indices, np.int64), features, {}, seconds, False, digests=tuple(self._digests)
        )
        if self._stores:
            self._waiting.append((self._digests, features, seconds))
            if len(self._waiting) >= BATCHES_A_SHARD:
                self.keep()
        self.filled, self._indices, self._digests = 0, [], []
        return chunk

    def keep(self) -> None:
        """Write the waiting rows to the cache."""
        if not self._waiting:
            return
        digests = [digest for batch, _, _ in self._waiting for digest in batch]
        seconds = sum(cost for _, _, cost in self._waiting) / len(digests)
        try:
            for tap, store in self._stores.items():
                store.append(digests, np.concatenate([rows[tap] for _, rows, _ in self._waiting]), seconds)
        except OSError as error:
            logger.warning("The feature cache cannot be written (%s): going on without it.", one_line(error))
            self._stores = {}
        self._waiting = []


def _look(
    images: ImageSet,
    preprocessing: Preprocessing,
    ahead: int,
    workers: int | None,
    stores: Mapping[Tap, FeatureStore],
    digests: bool,
    inspect: Inspector | None = None,
) -> Iterator[_Looked]:
    """Read, and decode what is not in the cache, at most `ahead` photos before the one that is asked for."""

    def look(index: int, content: bytes | NDArray[np.uint8]) -> _Looked:
        digest = image_digest(content) if stores or digests else b""
        rows = _kept_rows(stores, digest)
        if rows is not None and inspect is None:
            return _Looked(index, digest, rows=rows)
        pixels = decode(content, max_pixels=images.max_pixels, at_least=preprocessing.resize)
        if inspect is not None:
            inspect(index, content, pixels)
        return _Looked(index, digest, preprocessing.prepare(pixels) if rows is None else None, rows)

    for index, looked in decode_ahead(images, look, ahead=ahead, workers=workers):
        yield _Looked(index, error=looked) if isinstance(looked, ImageError) else looked


def _kept_rows(stores: Mapping[Tap, FeatureStore], digest: bytes) -> dict[Tap, NDArray[np.float16]] | None:
    """Find a photo's rows; None unless every store has one that is whole."""
    rows = {}
    for tap, store in stores.items():
        row = store.find(digest)
        if row is None:
            return None
        rows[tap] = row
    return rows or None


def as_float16(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Clip to float16's range: activations beyond 65,504 keep their sign and stay the largest.

    Raises
    ------
    BackboneError
        If one is no number: no model can be fitted to it, and no answer given.
    """
    if np.isnan(values).any():
        raise BackboneError(
            "The network answers with what is no number (NaN): its weights are damaged, or its arithmetic "
            "overflows. Get them again, or use `precision='fp32'`."
        )
    return np.clip(values, -FLOAT16_MAX, FLOAT16_MAX).astype(np.float16)
