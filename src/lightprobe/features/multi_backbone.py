"""Several networks side by side: each looks at all photos, one after the other, and their features join."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Backbone, Pool, Tap
from lightprobe.features.extraction import Features, extract
from lightprobe.features.runner import BackboneRunner
from lightprobe.features.streaming import Chunk, Inspector, stream
from lightprobe.images import ImageSet
from lightprobe.optics import side_by_side
from lightprobe.runtime import Runtime

# Of several networks, photos that one looks at before the next has its turn: so many batches.
TURN: Final = 16


@dataclass(frozen=True)
class TapSet:
    """One output of one network, or of several networks side by side: what makes one feature vector.

    Attributes
    ----------
    taps : tuple of Tap
        One a network.
    places : tuple of int
        Which of the networks at hand each belongs to.
    names : tuple of str
        The networks' names; empty where there is no other network to tell one from.
    """

    taps: tuple[Tap, ...]
    places: tuple[int, ...] = (0,)
    names: tuple[str, ...] = ("",)

    @property
    def cut(self) -> str:
        """The layers: `CUT`, `NETWORK:CUT`, or `NETWORK:CUT+NETWORK:CUT`."""
        parts = zip(self.names, self.taps, strict=True)
        return "+".join(f"{name}:{tap.cut}" if name else tap.cut for name, tap in parts)

    @property
    def pool(self) -> Pool:
        """How all of them are pooled."""
        return self.taps[0].pool

    @classmethod
    def of(cls, tap: Tap) -> Self:
        """Return the set of one network's tap."""
        return cls((tap,))

    @classmethod
    def parse(cls, cut: str, pool: Pool) -> Self:
        """Read what `cut` and `pool` wrote; networks are numbered in their order."""
        named = [part.rpartition(":") for part in cut.split("+")]
        taps = tuple(Tap(layer, pool) for _, _, layer in named)
        return cls(taps, tuple(range(len(taps))), tuple(name for name, _, _ in named))

    def join(self, matrices: Sequence[Mapping[Tap, NDArray[np.float16]]]) -> NDArray[np.float16]:
        """Put its features (n, Σ m_i) together from each network's (n, m_i)."""
        parts = zip(self.places, self.taps, strict=True)
        joined: NDArray[np.float16] = side_by_side([matrices[place][tap] for place, tap in parts])
        return joined


def places_by_network(backbones: Sequence[Backbone]) -> list[list[int]]:
    """Put the places of the same network's looks together, in their order."""
    networks: list[list[int]] = []
    for place, backbone in enumerate(backbones):
        for network in networks:
            if backbones[network[0]].is_same_network(backbone):
                network.append(place)
                break
        else:
            networks.append([place])
    return networks


def names_of(backbones: Sequence[Backbone]) -> list[str]:
    """Name what looks: the network, where there are several, and the look, where it has several."""
    networks = places_by_network(backbones)
    names = [""] * len(backbones)
    given = [backbones[first].name for first, *_ in networks]
    for number, looks in enumerate(networks):
        seen = given[: number + 1].count(given[number])
        name = "" if len(networks) == 1 else given[number] if seen == 1 else f"{given[number]}#{seen}"
        for place in looks:
            look = backbones[place].preprocessing.look if len(looks) > 1 else ""
            names[place] = f"{name} {look}".strip()
    return names


def taps_of(tap_sets: Iterable[TapSet], place: int) -> list[Tap]:
    """List where the network of that place has to be tapped."""
    pairs = (pair for tap_set in tap_sets for pair in zip(tap_set.places, tap_set.taps, strict=True))
    return list(dict.fromkeys(tap for i, tap in pairs if i == place))


def extract_tap_sets(
    images: ImageSet,
    runners: Sequence[BackboneRunner],
    tap_sets: Sequence[TapSet],
    runtime: Runtime,
    inspect: Inspector | None = None,
) -> Features[TapSet]:
    """Look at every photo once with each network.

    Parameters
    ----------
    images : ImageSet
    runners : sequence of BackboneRunner
        Compiled for the taps of `tap_sets`.
    tap_sets : sequence of TapSet
        What is wanted.
    runtime : Runtime
    inspect : callable, optional
        Is told of every photo while the first network looks; see `stream`.

    Returns
    -------
    features : Features
        One matrix a tap set, of the photos that every network could be shown; seconds are those of all
        networks, and rows count as cached that are so for all.

    Raises
    ------
    DataError
        As for `extract`.
    """
    first, *others = runners
    looks = [extract(images, first, runtime, inspect), *(extract(images, r, runtime) for r in others)]
    kept = reduce(np.intersect1d, [look.kept for look in looks])
    rows = [np.searchsorted(look.kept, kept) for look in looks]
    matrices = [
        {tap: matrix if len(matrix) == len(kept) else matrix[which] for tap, matrix in look.matrices.items()}
        for look, which in zip(looks, rows, strict=True)
    ]
    return Features(
        {tap_set: tap_set.join(matrices) for tap_set in tap_sets},
        kept,
        tuple(dict.fromkeys(skipped for look in looks for skipped in look.skipped)),
        sum(look.seconds for look in looks),
        min(look.n_cached for look in looks),
        looks[0].digests[rows[0]],
    )


def stream_tap_set(
    images: ImageSet, runners: Sequence[BackboneRunner], tap_set: TapSet, runtime: Runtime
) -> Generator[Chunk[TapSet]]:
    """Yield the features of all photos in chunks, as `stream` does for one network, without the cache."""
    if len(runners) == 1:
        for chunk in stream(images, runners[0], runtime):
            features = {tap_set: tap_set.join([chunk.features])} if chunk.features else {}
            yield Chunk(chunk.indices, features, chunk.failed, chunk.seconds, chunk.cached)
        return
    step = TURN * runtime.batch_size
    for start in range(0, len(images), step):
        turn = images.select(range(start, min(start + step, len(images))))
        yield _joined([_gathered(stream(turn, runner, runtime)) for runner in runners], tap_set, start)


def _gathered(chunks: Iterable[Chunk[Tap]]) -> Chunk[Tap]:
    """Make one chunk of many, in the order of the photos."""
    found = list(chunks)
    seen = [chunk for chunk in found if chunk.features]
    indices = np.concatenate([chunk.indices for chunk in found])
    order = np.argsort(indices)
    taps = seen[0].features if seen else ()
    features = {tap: np.concatenate([chunk.features[tap] for chunk in seen])[order] for tap in taps}
    failed = {index: reason for chunk in found for index, reason in chunk.failed.items()}
    return Chunk(indices[order], features, failed, sum(chunk.seconds for chunk in found), cached=False)


def _joined(chunks: Sequence[Chunk[Tap]], tap_set: TapSet, start: int) -> Chunk[TapSet]:
    """Join what each network made of the same photos, of which the first is number `start`."""
    indices = reduce(np.intersect1d, [chunk.indices for chunk in chunks])
    failed = {start + index: reason for chunk in chunks for index, reason in chunk.failed.items()}
    features: dict[TapSet, NDArray[np.float16]] = {}
    if len(indices):
        rows = [np.searchsorted(chunk.indices, indices) for chunk in chunks]
        matrices = [
            {tap: matrix[which] for tap, matrix in chunk.features.items()}
            for chunk, which in zip(chunks, rows, strict=True)
        ]
        features = {tap_set: tap_set.join(matrices)}
    return Chunk(start + indices, features, failed, sum(chunk.seconds for chunk in chunks), cached=False)
