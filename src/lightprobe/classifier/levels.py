"""Levels of quality, for people who know no network by its name: which networks look, and in which ways.

    fast      the default network, in its own way
    balanced  the two networks inside the package, side by side
    best      those and what else of a list is at hand, the two or three that leave-one-out prefers, each
              looking at the whole photo, at the centre, and at the centre mirrored

A level is taken only as far as leave-one-out sees a gain: among what it compares, the cheapest that is within
one standard error of the best wins, however few the photos are.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from lightprobe.backbones import (
    BEST,
    DEFAULT,
    LOOKS,
    PACKAGED,
    Look,
    OneOrSeveral,
    Pool,
    Published,
    Tap,
    backbones_for,
    find_published,
    of_each,
)
from lightprobe.errors import OptionError
from lightprobe.features import BackboneRunner, TapSet, compile_each, extract_tap_sets, names_of
from lightprobe.head import HeadOptions
from lightprobe.images import ImageSet
from lightprobe.runtime import Runtime
from lightprobe.selection import Candidate, Choice, Photos, select

# Said before the work begins; the command line shows it.
logger = logging.getLogger("lightprobe.quality")

LEVELS: Final = ("fast", "balanced", "best")
# First the way in which the networks inside the package look by themselves.
BEST_LOOKS: Final[tuple[Look, ...]] = ("squash", "crop", "mirror")
MOST: Final = 3  # networks that stand side by side


@dataclass(frozen=True)
class Level:
    """What a level of quality looks through.

    Attributes
    ----------
    name : {"fast", "balanced", "best"}
    networks : tuple of str
    weights : tuple of path or None
        Of each network; None for its own.
    looks : tuple of Look, or None
        None for each network's own way.
    missing : tuple of Published
        Networks of the list that are not at hand.
    """

    name: str
    networks: tuple[str, ...]
    weights: tuple[str | Path | None, ...]
    looks: tuple[Look, ...] | None = None
    missing: tuple[Published, ...] = ()

    @classmethod
    def named(cls, name: str, weights: OneOrSeveral = None) -> Self:
        """Return the level of that name, with what is at hand; `weights` are NAME=FILE for the level best.

        Raises
        ------
        OptionError
            There is no such level, or weights are given that it has no network for.
        """
        if name not in LEVELS:
            raise OptionError(f"`quality` is {name!r}; it must be {', '.join(LEVELS)}.")
        if name != "best":
            if name == "fast":
                return cls(name, PACKAGED[:1], tuple(of_each("weights", weights, 1)))
            if weights is not None:
                raise OptionError(
                    f"`quality={name!r}` takes the networks inside the package, which hold their weights: "
                    "leave `weights` out, or name the network that they are for with `backbone`."
                )
            return cls(name, PACKAGED, (None,) * len(PACKAGED))
        files: dict[str, str | Path | None] = dict.fromkeys(PACKAGED)
        known = [one for one in map(find_published, BEST) if one is not None]
        here = [one for one in known if one.state == "cached" and one.missing_extra is None]
        files |= dict.fromkeys(one.name for one in here)
        for given in of_each("weights", weights, None) if weights is not None else ():
            network, equals, file = str(given).partition("=")
            if not equals:
                raise OptionError(
                    f"`quality='best'` got the weights {given}; write NAME=FILE, so that it knows of which "
                    "network they are."
                )
            files[network] = file
        missing = tuple(one for one in known if one.name not in files)
        return cls(name, tuple(files), tuple(files.values()), BEST_LOOKS, missing)

    def only(self, places: Sequence[int]) -> Self:
        """Keep some of the networks."""
        return replace(
            self,
            networks=tuple(self.networks[i] for i in places),
            weights=tuple(self.weights[i] for i in places),
        )

    def announce(self, runners: Sequence[BackboneRunner], n_images: int, batch_size: int) -> None:
        """Say what looking will cost, by the rate of each network on one batch, and what is missing."""
        if not logger.isEnabledFor(logging.INFO):
            return
        rates: dict[int, float] = {}
        for runner in runners:
            if id(runner.runner) not in rates:
                rates[id(runner.runner)] = seconds_a_photo(runner, min(batch_size, max(1, n_images)))
        total = n_images * sum(rates[id(runner.runner)] for runner in runners)
        networks, looks = len(self.networks), len(self.looks or (None,))
        logger.info(
            "quality %s: %d %s × %d %s, about %.0f s in the networks for %s photos, less what is cached",
            self.name,
            networks,
            "network" if networks == 1 else "networks",
            looks,
            "look" if looks == 1 else "looks",
            total,
            f"{n_images:,}",
        )
        for one in self.missing:
            logger.info("  %s is not at hand; to take it in, too: %s", one.name, one.command)


def seconds_a_photo(compiled: BackboneRunner, batch_size: int) -> float:
    """Measure what one photo takes in a network, on one batch of noise, after another that warms up."""
    side = compiled.backbone.preprocessing.crop
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (batch_size, side, side, 3), dtype=np.uint8)
    compiled.runner(pixels)
    start = time.perf_counter()
    compiled.runner(pixels)
    return (time.perf_counter() - start) / batch_size


def prefer_networks(
    level: Level, images: ImageSet, pool: Pool, options: HeadOptions, runtime: Runtime, **how: Any
) -> tuple[Level, Candidate | None]:
    """Keep the two or three networks whose sum leave-one-out prefers, each looking in its own way.

    Returns
    -------
    level : Level
        With these networks.
    fast : Candidate or None
        The default network alone; None where there are only two networks, which are kept.
    """
    if len(level.networks) < MOST:
        return level, None
    backbones = backbones_for(runtime, list(level.networks), weights=list(level.weights), **how)
    taps, names = [Tap(backbone.cut, pool) for backbone in backbones], names_of(backbones)
    compiled = [runner for runner, _ in compile_each(images, backbones, [[tap] for tap in taps], runtime)]
    some: list[tuple[int, ...]] = [(level.networks.index(DEFAULT),)]
    some += [places for n in range(2, MOST + 1) for places in combinations(range(len(backbones)), n)]
    sets = [
        TapSet(tuple(taps[i] for i in places), places, tuple(names[i] for i in places)) for places in some
    ]
    seen = extract_tap_sets(images, compiled, sets, runtime)
    labels = images.select(seen.kept).labels
    groups = None if images.groups is None else images.groups[seen.kept]
    wanted = [Choice(one, "l2", "optical") for one in sets]
    found = select(
        seen.matrices, labels, wanted, options, groups=groups, never_screened=sets[:1], cheaper=False
    )
    fast = next(c for c in found.candidates if c.choice.taps == sets[0])
    several = [c for c in found.candidates if len(c.choice.taps.places) > 1]
    return level.only(several[0].choice.taps.places), fast


@dataclass(frozen=True)
class Gained:
    """What a level of quality was worth, by leave-one-out.

    Attributes
    ----------
    asked, taken : str
        Levels.
    gain, error : float
        Accuracy of what was taken less that of the default network alone, and the standard error of that.
    """

    asked: str
    taken: str
    gain: float
    error: float

    @classmethod
    def of(
        cls, asked: str, candidates: Sequence[Candidate], photos: Photos, fast: Candidate | None
    ) -> "Gained | None":
        """Compare the winner, which stands first, with the default network alone."""
        winner = candidates[0]
        alone = [c for c in candidates if c.loo_accuracy is not None and _level(c.choice.taps) == LEVELS[0]]
        reference = max(alone, key=photos.accuracy, default=fast)
        if reference is None or len(reference.correct) != len(winner.correct):
            return None
        gain, error = photos.behind(reference, winner)
        return cls(asked, _level(winner.choice.taps), gain, error)

    def to_config(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def _with_look(name: str) -> tuple[str, str]:
    """Return what `names_of` called something, and the look that its name ends with."""
    last = name.rpartition(" ")[2]
    return name, last if last in LOOKS else ""


def _level(taps: TapSet) -> str:
    """Name the least level that looks through a tap set."""
    networks = {name.removesuffix(look).rstrip() for name, look in map(_with_look, taps.names)}
    if len(taps.names) > len(networks) or not networks <= {*PACKAGED, ""}:
        return "best"
    return "fast" if networks in ({DEFAULT}, {""}) else "balanced"
