"""Several networks on the same photos, alone and side by side: "combine multiple models" of the first text.

Side by side their features, each of length one, make one vector, as `train --backbone a,b` makes it. No photo
is looked at again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Tap
from lightprobe.errors import OptionError
from lightprobe.features import TapSet
from lightprobe.head import FittedHead
from lightprobe.optics import ENCODERS
from lightprobe.ridge import paired_gain
from lightprobe.selection import Choice
from lightprobe.studies.context import Look, Row, StudyContext
from lightprobe.studies.study import Configuration, Options, Study


@dataclass(frozen=True)
class Fit:
    """A head on some networks' features, and which photos it gets right, left out and in the test."""

    head: FittedHead
    choice: Choice
    left_out: NDArray[np.bool_]
    test: NDArray[np.bool_] | None


def configurations(bench: StudyContext, options: Options) -> list[Configuration]:
    """List each network alone, each pair, and all."""
    del bench
    networks = options.networks
    if len(networks) < 2:
        raise OptionError(
            "The study of backbones needs two networks or more: give --networks NAME[=FILE],NAME…"
        )
    sizes = sorted({1, 2, len(networks)})
    return [{"networks": [list(n) for n in some]} for size in sizes for some in combinations(networks, size)]


def measure(bench: StudyContext, configuration: Configuration) -> Row:
    """Fit on the networks side by side; beside it, what the best of them gives alone."""
    looks = [_look(bench, name, weights) for name, weights in configuration["networks"]]
    together = _fit(bench, looks)
    facts = [bench.facts(look, together.choice) for look in looks]
    first = looks[0]
    seen = replace(first, train=replace(first.train, seconds=sum(look.train.seconds for look in looks)))
    row = bench.row(
        seen,
        together.choice,
        together.head,
        together.test,
        **{
            key: " + ".join(dict.fromkeys(str(f[key]) for f in facts))
            for key in ("backbone", "image_size", "precision", "engine")
        },
        cut=" + ".join(dict.fromkeys(look.network.backbone.cut for look in looks)),
        weight_bytes=sum(f["weight_bytes"] for f in facts),
    )
    row["model_bytes"] = row["weight_bytes"] + row["head_bytes"]
    return row | (_gain(bench, looks, together) if len(looks) > 1 else {})


def _look(bench: StudyContext, name: str, weights: str | None) -> Look:
    backbone = bench.backbone(name=name, weights=weights, cut=None)
    return bench.look(backbone, [Tap(backbone.cut, bench.pool)])


def _fit(bench: StudyContext, looks: list[Look]) -> Fit:
    """Fit to what the networks see, side by side where there are several."""
    taps = tuple(Tap(look.network.backbone.cut, bench.pool) for look in looks)
    names = tuple(look.network.backbone.name for look in looks) if len(looks) > 1 else ("",)
    tap_set = TapSet(taps, tuple(range(len(taps))), names)
    choice = Choice(tap_set, bench.encode, bench.kernel)

    def encoded(matrices: list[Mapping[Tap, Any]]) -> NDArray[Any]:
        return ENCODERS[choice.encode](tap_set.join(matrices))

    first = looks[0]
    head = bench.fit(encoded([look.train.matrices for look in looks]), first, kernel=choice.kernel)
    tests = [look.test.matrices for look in looks if look.test is not None]
    right = None
    if tests:
        right = head.scores(encoded(list(tests))).argmax(axis=1) == first.test_labels
    return Fit(head, choice, head.loo_scores.argmax(axis=1) == first.labels, right)


def _gain(bench: StudyContext, looks: list[Look], together: Fit) -> Row:
    """Compare with the network that is best alone by leave-one-out, photo by photo."""
    alone = [_fit(bench, [look]) for look in looks]
    best = max(range(len(looks)), key=lambda i: alone[i].left_out.mean())
    row: Row = {"against": looks[best].network.backbone.name}
    groups = looks[0].groups
    units = None if groups is None else np.unique(groups, return_inverse=True)[1]
    for name, ours, theirs, apart in (
        ("loo", together.left_out, alone[best].left_out, units),
        ("test", together.test, alone[best].test, None),
    ):
        if ours is not None and theirs is not None:
            row[f"{name}_gain"], row[f"{name}_gain_se"] = paired_gain(ours, theirs, units=apart)
    return row


STUDY = Study(
    "several networks on the same photos, alone and side by side",
    configurations,
    measure,
    uses=("networks",),
    varies=("backbone", "weights", "cut"),
)
