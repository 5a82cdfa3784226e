"""Several networks, each looking at photos in several ways: what `a,b` and `crop,squash` stand for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.preprocessing import LOOKS, Look
from lightprobe.backbones.zoo import backbone_for
from lightprobe.errors import OptionError
from lightprobe.runtime import Runtime

OneOrSeveral = str | Path | Sequence[str | Path | None] | None


def backbones_for(
    runtime: Runtime,
    names: str | Sequence[str],
    *,
    weights: OneOrSeveral = None,
    cut: OneOrSeveral = None,
    looks: str | Sequence[str] | None = None,
    **options: Any,
) -> list[Backbone]:
    """Make networks, each ending at its layer, once for each look.

    Parameters
    ----------
    names, weights, cut, looks
        One, or several with commas between; weights and layers as many as networks.
    runtime, options
        As for `backbone_for`.

    Raises
    ------
    OptionError
        If weights or layers are not as many as networks, or a look is unknown.
    BackboneError, WeightsError
        As for `backbone_for`.
    """
    ways = list_looks(looks)
    listed = of_each("backbone", names, None)
    files, cuts = of_each("weights", weights, len(listed)), of_each("cut", cut, len(listed))
    backbones = [
        backbone_for(runtime, str(name or ""), weights=file, cut=None if end is None else str(end), **options)
        for name, file, end in zip(listed, files, cuts, strict=True)
    ]
    return [b.looking(look) for b in backbones for look in ways] if ways else backbones


def list_looks(looks: str | Sequence[str] | None) -> list[Look]:
    """List the ways to look at photos; none means each network's own.

    Raises
    ------
    OptionError
        One is unknown, or stands there twice.
    """
    if looks is None:
        return []
    names = looks.split(",") if isinstance(looks, str) else list(looks)
    found = [look for name in names for look in LOOKS if look == name.strip()]
    if not found or len(found) != len(names) or len(set(found)) != len(found):
        raise OptionError(f"`looks` is {looks!r}; give one or several of {', '.join(LOOKS)}, each once.")
    return found


def of_each(what: str, value: OneOrSeveral, n: int | None) -> list[str | Path | None]:
    """List the parameter `what` for each of n networks; an empty place is None.

    Without n, as many as there are. What is meant for a single network is taken as it is, commas and all.

    Raises
    ------
    OptionError
        If there are not n.
    """
    if value is None:
        return [None] * (n or 1)
    if isinstance(value, Path) or (n == 1 and isinstance(value, str)):
        parts: list[str | Path | None] = [value]
    else:
        listed = value.split(",") if isinstance(value, str) else value
        parts = [(part.strip() if isinstance(part, str) else part) or None for part in listed]
    if n is not None and len(parts) != n:
        raise OptionError(
            f"{what} names {len(parts)} for {n} networks: give one for each, with commas between "
            "(an empty place means the network's own)."
        )
    return parts
