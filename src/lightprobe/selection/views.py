"""What the candidates see of a photo: layers of one network, or of several, alone and side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lightprobe.backbones import Backbone, Pool, Tap
from lightprobe.features import Parts
from lightprobe.selection.taps import affordable_taps, memory_limit, stage_cuts, too_large


@dataclass(frozen=True)
class Views:
    """What candidates see, each under the name of a tap.

    Attributes
    ----------
    parts : dict of Tap to Parts
        The networks of each view. Of one network, its own tap is the name; of several, each is named
        `NETWORK:CUT`, and all side by side `NETWORK:CUT+NETWORK:CUT`.
    dropped : dict of Tap to str
        Views that memory has no room for, and why.
    multiplications : dict of Tap to int
        What one photo takes up to the layers of a view; empty where all take the same.
    last : frozenset of str
        Names of the layers at which the networks end.
    """

    parts: dict[Tap, Parts]
    dropped: dict[Tap, str]
    multiplications: dict[Tap, int]
    last: frozenset[str]


def open_views(
    backbones: Sequence[Backbone],
    n_images: int,
    pool: Pool | Literal["auto"],
    max_memory: int | None,
    *,
    every_stage: bool = False,
) -> Views:
    """List each network's affordable taps and, of several networks, their last layers side by side.

    Parameters
    ----------
    backbones : sequence of Backbone
        Tapped at their ends.
    n_images, pool, max_memory
        As for `affordable_taps`; side by side, layers are averaged where `pool` is "auto".
    every_stage : bool
        Whether the last layers of earlier stages are views, too.

    Raises
    ------
    ResourceError
        If nothing is left of a network.
    """
    parts: dict[Tap, Parts] = {}
    dropped: dict[Tap, str] = {}
    last: list[str] = []
    names = _unique_names(backbones)
    for place, (name, backbone) in enumerate(zip(names, backbones, strict=True)):
        earlier = stage_cuts(backbone)[:-1] if every_stage else []
        taps, left_out = affordable_taps(backbone, n_images, pool, max_memory, earlier)
        prefix = f"{name}:" if len(backbones) > 1 else ""
        parts |= {Tap(prefix + tap.cut, tap.pool): ((place, tap),) for tap in taps}
        dropped |= {Tap(prefix + tap.cut, tap.pool): reason for tap, reason in left_out.items()}
        last.append(prefix + backbone.cut)
    if len(backbones) > 1:
        ends = [Tap(backbone.cut, "avg" if pool == "auto" else pool) for backbone in backbones]
        together = Tap("+".join(last), ends[0].pool)
        size = sum(b.feature_sizes([tap])[tap] for b, tap in zip(backbones, ends, strict=True))
        if reason := too_large(n_images, size, memory_limit(max_memory)):
            dropped[together] = reason
        else:
            parts[together] = tuple(enumerate(ends))
        last.append(together.cut)
    return Views(parts, dropped, _multiplications(parts, backbones), frozenset(last))


def _unique_names(backbones: Sequence[Backbone]) -> list[str]:
    """Name the networks, with a number behind a name that has been before."""
    names = [backbone.name for backbone in backbones]
    seen = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [name if n == 1 else f"{name}#{n}" for name, n in zip(names, seen, strict=True)]


def _multiplications(parts: Mapping[Tap, Parts], backbones: Sequence[Backbone]) -> dict[Tap, int]:
    places = {(place, tap.cut) for view in parts.values() for place, tap in view}
    if len(places) == 1:
        return {}
    taken = {(place, cut): backbones[place].multiplications(cut) for place, cut in places}
    return {name: sum(taken[place, tap.cut] for place, tap in view) for name, view in parts.items()}
