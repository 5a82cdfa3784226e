"""What one network sees, or several networks side by side: each looks at all photos, one after the other."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Backbone, Runner, Tap
from lightprobe.features.extract import Features, extract
from lightprobe.features.stream import Chunk, stream
from lightprobe.images import ImageSet
from lightprobe.optics import side_by_side

# For each network that a view looks through, its place among all and where it is tapped.
Parts = tuple[tuple[int, Tap], ...]
# Of several networks, photos that are looked at by one before the next has its turn: so many batches.
TURN = 16


@dataclass(frozen=True)
class Lens:
    """A network, compiled for the taps that are wanted of it."""

    backbone: Backbone
    runner: Runner


def taps_of(views: Mapping[Tap, Parts], place: int) -> list[Tap]:
    """List where the network of that place has to be tapped."""
    return list(dict.fromkeys(tap for parts in views.values() for i, tap in parts if i == place))


def see(parts: Parts, matrices: Sequence[Mapping[Tap, NDArray[np.float16]]]) -> NDArray[np.float16]:
    """Put a view together from each network's matrices (n, m_i)."""
    seen: NDArray[np.float16] = side_by_side([matrices[place][tap] for place, tap in parts])
    return seen


def extract_views(
    images: ImageSet, lenses: Sequence[Lens], views: Mapping[Tap, Parts], **how: Any
) -> Features:
    """Look at every photo once with each network.

    Parameters
    ----------
    images : ImageSet
    lenses : sequence of Lens
    views : mapping of Tap to Parts
        What is wanted, by name.
    how
        As for `extract`.

    Returns
    -------
    features : Features
        One matrix a view, of the photos that every network could be shown; seconds are those of all
        networks, and rows count as cached that are so for all.

    Raises
    ------
    DataError
        As for `extract`.
    """
    looks = [extract(images, lens.backbone, lens.runner, **how) for lens in lenses]
    kept = reduce(np.intersect1d, [look.kept for look in looks])
    rows = [np.searchsorted(look.kept, kept) for look in looks]
    matrices = [
        {tap: matrix if len(matrix) == len(kept) else matrix[which] for tap, matrix in look.matrices.items()}
        for look, which in zip(looks, rows, strict=True)
    ]
    return Features(
        _seen(views, matrices),
        kept,
        tuple(dict.fromkeys(skipped for look in looks for skipped in look.skipped)),
        sum(look.seconds for look in looks),
        min(look.n_cached for look in looks),
        looks[0].digests[rows[0]],
    )


def stream_views(
    images: ImageSet,
    lenses: Sequence[Lens],
    views: Mapping[Tap, Parts],
    *,
    batch_size: int,
    workers: int | None = None,
) -> Generator[Chunk]:
    """Yield what is seen of all photos in chunks, as `stream` does for one network.

    Parameters
    ----------
    images, lenses, views
        As for `extract_views`.
    batch_size, workers
        As for `stream`.
    """
    streaming: dict[str, Any] = {"batch_size": batch_size, "workers": workers}
    if len(lenses) == 1:
        for chunk in stream(images, lenses[0].runner, lenses[0].backbone.preprocessing, **streaming):
            yield replace(chunk, features=_seen(views, [chunk.features])) if chunk.features else chunk
        return
    step = TURN * batch_size
    for start in range(0, len(images), step):
        turn = images.select(range(start, min(start + step, len(images))))
        chunks = [
            _gathered(stream(turn, lens.runner, lens.backbone.preprocessing, **streaming)) for lens in lenses
        ]
        yield _joined(chunks, views, start)


def _seen(
    views: Mapping[Tap, Parts], matrices: Sequence[Mapping[Tap, NDArray[np.float16]]]
) -> dict[Tap, NDArray[np.float16]]:
    return {name: see(parts, matrices) for name, parts in views.items()}


def _gathered(chunks: Iterable[Chunk]) -> Chunk:
    """Make one chunk of many, in the order of the photos."""
    found = list(chunks)
    seen = [chunk for chunk in found if chunk.features]
    indices = np.concatenate([chunk.indices for chunk in found])
    order = np.argsort(indices)
    taps = seen[0].features if seen else ()
    features = {tap: np.concatenate([chunk.features[tap] for chunk in seen])[order] for tap in taps}
    failed = {index: reason for chunk in found for index, reason in chunk.failed.items()}
    return Chunk(indices[order], features, failed, sum(chunk.seconds for chunk in found), cached=False)


def _joined(chunks: Sequence[Chunk], views: Mapping[Tap, Parts], start: int) -> Chunk:
    """Join what each network made of the same photos, of which the first is number `start`."""
    indices = reduce(np.intersect1d, [chunk.indices for chunk in chunks])
    failed = {start + index: reason for chunk in chunks for index, reason in chunk.failed.items()}
    features: dict[Tap, NDArray[np.float16]] = {}
    if len(indices):
        rows = [np.searchsorted(chunk.indices, indices) for chunk in chunks]
        features = _seen(
            views,
            [
                {tap: matrix[which] for tap, matrix in chunk.features.items()}
                for chunk, which in zip(chunks, rows, strict=True)
            ],
        )
    return Chunk(start + indices, features, failed, sum(chunk.seconds for chunk in chunks), cached=False)
