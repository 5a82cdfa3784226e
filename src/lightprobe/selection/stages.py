"""Where to look: the layers that are compared, as far as memory goes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lightprobe.backbones import Backbone, Pool, Tap
from lightprobe.errors import ResourceError
from lightprobe.features import TapSet, names_of, places_by_network

logger = logging.getLogger(__name__)

# What "auto" stands for. Flattened features gained nothing on photos, and made models a hundred times larger;
# they do on pictures whose parts lie in the same place in each, such as digits (docs/choosing.md).
AUTO_POOL: Final[Pool] = "avg"


def stage_cuts(backbone: Backbone) -> list[str]:
    """List the last layer of every stage, the backbone's own cut at the end.

    A stage is a run of layers whose outputs have one resolution, as ResNet's paper calls it (He et al. 2015);
    of networks that never change it (vision transformers) a quarter of the layers stands for a stage.
    """
    infos = backbone.describe()
    sizes = [info.shape[1:] if info.cut.layout == "nchw" else info.shape[:-1] for info in infos]
    last = [i for i in range(len(infos)) if i + 1 == len(infos) or sizes[i + 1] != sizes[i]]
    if len(last) == 1:
        last = sorted({round(len(infos) * quarter / 4) - 1 for quarter in (1, 2, 3, 4)} - {-1})
    return [infos[i].name for i in last]


def affordable_taps(
    backbone: Backbone,
    n_images: int,
    pool: Pool,
    max_memory: int | None,
    earlier: Sequence[str] = (),
) -> tuple[list[Tap], dict[Tap, str]]:
    """List the layers to tap, without those whose features would not fit in memory.

    Parameters
    ----------
    backbone : Backbone
        Tapped at its end.
    n_images : int
        Rows of the feature matrices.
    pool : {"avg", "flatten"}
    max_memory : int or None
        Bytes; half of what is free without it.
    earlier : sequence of str
        Layers before the end that are tapped, too.

    Returns
    -------
    taps : list of Tap
    dropped : dict of Tap to str
        Why the others are left out.

    Raises
    ------
    ResourceError
        If nothing is left.
    """
    taps = [Tap(cut, pool) for cut in (*earlier, backbone.cut)]
    sizes = backbone.feature_sizes(taps)
    limit = memory_limit(max_memory)
    dropped = {tap: reason for tap in taps if (reason := too_large(n_images, sizes[tap], limit))}
    if len(dropped) == len(taps):
        raise ResourceError(
            f"{dropped[taps[0]]}: name another pooling, cut or image size, or raise max_memory."
        )
    for tap, reason in dropped.items():
        logger.warning("%s %s is left out: %s.", tap.cut, tap.pool, reason)
    return [tap for tap in taps if tap not in dropped], dropped


def memory_limit(max_memory: int | None) -> int:
    """Bytes that the features of one view may take: half of what is free, where it is not given."""
    import psutil

    return max_memory or psutil.virtual_memory().available // 2


def too_large(n_images: int, n_features: int, limit: int) -> str:
    """Say why features would not fit in memory; nothing if they would."""
    needed = n_images * n_features * 4  # in float16, and their encoded copy
    if needed <= limit:
        return ""
    return f"{n_images} × {n_features} features take {needed / 1e9:.1f} GB of {limit / 1e9:.1f} GB"


@dataclass(frozen=True)
class Available:
    """What candidates can take of the photos.

    Attributes
    ----------
    tap_sets : tuple of TapSet
        Those of each network at its first look; each network's looks side by side, at its last layer; all
        networks side by side at their first looks, and at all.
    dropped : dict of TapSet to str
        Those that memory has no room for, and why.
    multiplications : dict of TapSet to int
        What one photo takes up to the layers of each; empty where all take the same.
    last : tuple of TapSet
        Those of the layers at which the networks end.
    """

    tap_sets: tuple[TapSet, ...]
    dropped: dict[TapSet, str]
    multiplications: dict[TapSet, int]
    last: tuple[TapSet, ...]


def list_tap_sets(
    backbones: Sequence[Backbone],
    n_images: int,
    pool: Pool,
    max_memory: int | None,
    *,
    every_stage: bool = False,
) -> Available:
    """List each network's affordable taps, and last layers side by side: of its looks, and of all networks.

    Parameters
    ----------
    backbones : sequence of Backbone
        Tapped at their ends. Those that are the same network, looking at photos in different ways, are
        looks of it.
    n_images, pool, max_memory
        As for `affordable_taps`.
    every_stage : bool
        Whether the last layers of earlier stages are listed, too.

    Raises
    ------
    ResourceError
        If nothing is left of a network.
    """
    networks, names = places_by_network(backbones), names_of(backbones)
    limit = memory_limit(max_memory)
    tap_sets: list[TapSet] = []
    dropped: dict[TapSet, str] = {}
    for first, *_ in networks:
        earlier = stage_cuts(backbones[first])[:-1] if every_stage else []
        taps, left_out = affordable_taps(backbones[first], n_images, pool, max_memory, earlier)
        tap_sets += [TapSet((tap,), (first,), (names[first],)) for tap in taps]
        dropped |= {TapSet((tap,), (first,), (names[first],)): reason for tap, reason in left_out.items()}
    last = [s for s in tap_sets if s.taps[0].cut == backbones[s.places[0]].cut]
    beside = [*networks, [first for first, *_ in networks], list(range(len(backbones)))]
    for places in dict.fromkeys(tuple(some) for some in beside if len(some) > 1):
        ends = tuple(Tap(backbones[place].cut, pool) for place in places)
        together = TapSet(ends, places, tuple(names[place] for place in places))
        sizes = [backbones[p].feature_sizes([tap])[tap] for p, tap in zip(places, ends, strict=True)]
        if reason := too_large(n_images, sum(sizes), limit):
            dropped[together] = reason
        else:
            tap_sets.append(together)
            last.append(together)
    return Available(tuple(tap_sets), dropped, _multiplications(tap_sets, backbones), tuple(last))


def _multiplications(tap_sets: Sequence[TapSet], backbones: Sequence[Backbone]) -> dict[TapSet, int]:
    pairs = {s: [(p, tap.cut) for p, tap in zip(s.places, s.taps, strict=True)] for s in tap_sets}
    ends = {pair for some in pairs.values() for pair in some}
    if len(ends) == 1:
        return {}
    taken = {(place, cut): backbones[place].multiplications(cut) for place, cut in ends}
    return {tap_set: sum(taken[pair] for pair in some) for tap_set, some in pairs.items()}
