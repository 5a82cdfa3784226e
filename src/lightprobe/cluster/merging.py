"""Parts become the model that one machine would have made of all their photos.

Sums of parts are added in the order of their lists and shards, whatever order they are named in. One
candidate after the other is solved; then a pass over the parts' features, a block of rows at a time, gives
exact leave-one-out, and by it alpha, the choice among the candidates, calibration and novelty.
"""

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import OneOrSeveral
from lightprobe.classifier import (
    Fitted,
    ImageClassifier,
    Settings,
    TrainingIndex,
    TrainingSums,
    digest_keys,
    gained_by,
    put_together,
)
from lightprobe.cluster.part import Arrays, Part, read_part
from lightprobe.cluster.summing import EncodedRows, options_of, shared_facts, summable, tap_sets_of
from lightprobe.errors import DataError, OptionError
from lightprobe.head import Finite, FittedHead, fit_sums, unfitted
from lightprobe.photo_model import Network
from lightprobe.ridge import DegenerateKernelError, RidgeStatistics, identical_rows, joined_groups
from lightprobe.runtime import Runtime
from lightprobe.selection import Choice, choices, judge


def merge(
    paths: Sequence[str | Path],
    *,
    alpha: str | float = "auto",
    mixed: bool = False,
    backbone: str | Sequence[str] | None = None,
    weights: OneOrSeveral = None,
    device: str = "auto",
    max_memory: int | None = None,
) -> ImageClassifier:
    """Make the classifier that `ImageClassifier(keep="sums").fit` would be on the photos of all parts.

    Parameters
    ----------
    paths : sequence of path
        Files that `sum_photos` wrote: every shard of one list, or of several.
    alpha : "auto" or float
        As for `ImageClassifier`.
    mixed : bool
        Whether parts may have been looked at by other engines or in other precisions.
    backbone, weights
        Where the network lies here, if not where it lay when the parts were made.
    device : str
        Where to solve.
    max_memory : int, optional
        Bytes that solving may take.

    Raises
    ------
    DataError
        If parts are damaged, missing, overlap or do not fit each other, or lack their features.
    OptionError
        If they were made by other engines or precisions, the network here is another, or nothing can be
        chosen.
    """
    parts = sorted(map(read_part, map(Path, paths)), key=lambda part: (part.photos, part.shard))
    require_fit(parts, mixed=mixed)
    for part in parts:
        if not part.features:
            raise DataError(
                f"{part.path} was made without features, and leave-one-out, by which alpha and kernel are "
                "chosen and probabilities calibrated, needs a row of each photo: make it with them."
            )
        part.check_features()
    found = {"backbone": backbone, "weights": weights}
    parameters = parts[0].parameters | {name: value for name, value in found.items() if value is not None}
    classifier = ImageClassifier(**parameters, alpha=alpha, keep="sums", device=device, max_memory=max_memory)
    settings = summable(classifier)
    start = time.perf_counter()
    fitted = _fit(parts, settings, classifier.runtime)
    chosen: dict[str, Any] = {
        "kernel": fitted.choice.kernel,
        "components": fitted.head.decision.n_components or "auto",
    }
    classifier.set_params(**chosen)
    seconds = {"features": sum(part.seconds["features"] for part in parts)}
    seconds["fit"] = time.perf_counter() - start + sum(part.seconds["sums"] for part in parts)
    classifier._fitted = replace(
        fitted,
        settings=classifier.settings,
        seconds=seconds,
        skipped=tuple(skipped for part in parts for skipped in part.skipped),
        label_kind=parts[0].label_kind,
    )
    return classifier


def require_fit(parts: Sequence[Part], *, mixed: bool) -> None:
    """Raise unless the parts are of one kind, whole, and apart from each other."""
    if not parts:
        raise DataError("There are no parts to merge: name the files that `sums` wrote.")
    first = parts[0]
    for part in parts[1:]:
        for name, value in first.fit.items():
            if part.fit.get(name) != value:
                raise DataError(
                    f"{part.path} and {first.path} do not fit: their {name} differ. "
                    "Make both with the same options."
                )
        if part.label_kind != first.label_kind or part.widths != first.widths:
            raise DataError(
                f"{part.path} and {first.path} do not fit: their labels or features are of other kinds."
            )
        if not mixed and _engines(part) != _engines(first):
            raise OptionError(
                f"{part.path} was seen by {_engines(part)} and {first.path} by {_engines(first)}: give "
                "all machines the same `engine` and `precision`, or allow it with --mixed."
            )
    lists: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        lists[part.photos].append(part)
    for shards in lists.values():
        _require_whole(shards)
    seen: dict[bytes, Part] = {}
    for part in parts:
        for name, row in zip(part.names, part.digests, strict=True):
            other = seen.setdefault(row.tobytes(), part)
            if other.photos != part.photos:
                raise DataError(
                    f"{part.path} and {other.path} overlap: {name} is in both, and would count twice. "
                    "Take it out of one of the two."
                )


def _engines(part: Part) -> str:
    return " and ".join(dict.fromkeys(f"{run['engine']} {run['precision']}" for run in part.runs))


def _require_whole(shards: Sequence[Part]) -> None:
    """Raise unless these are all the shards of one list, each once."""
    for one, other in itertools.pairwise(shards):
        if one.shard.of != other.shard.of:
            raise DataError(
                f"{one.path} is shard {one.shard} and {other.path} shard {other.shard} of the same photos: "
                "cut them into one number of shards."
            )
        if one.shard == other.shard:
            raise DataError(
                f"{one.path} and {other.path} overlap: both are shard {one.shard} of photos of the same "
                "names. Leave one out, or, if they are of different photos, make them with a `site` each."
            )
    of = shards[0].shard.of
    there = {part.shard.number for part in shards}
    missing = [str(number) for number in range(1, of + 1) if number not in there]
    if missing:
        named = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
        raise DataError(
            f"Of {of} shards {named} {'is' if len(missing) == 1 else 'are'} missing: make them with "
            f"`lightprobe sums --shard N/{of}`, or name them."
        )
    counted = sum(part.n_own for part in shards)
    if counted != shards[0].n_listed:
        raise DataError(
            f"The shards of {shards[0].path} have {counted} photos, and their list {shards[0].n_listed}: "
            "make them again with one version of lightprobe."
        )


@dataclass(frozen=True)
class _Joined:
    """The features (n, m) of all parts in the order of the photos, read where they lie."""

    parts: Sequence[Part]
    tap_set: int
    part_of: NDArray[np.intp]
    row_of: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.part_of), self.parts[0].widths[self.tap_set]

    def __getitem__(self, index: NDArray[np.intp]) -> NDArray[np.float16]:
        rows = np.empty((len(index), self.shape[1]), np.float16)
        parts = self.part_of[index]
        for number in np.unique(parts):
            own = parts == number
            rows[own] = self.parts[number].rows(self.tap_set)[self.row_of[index[own]]]
        return rows


def _order(parts: Sequence[Part]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return part and row of each photo, as they stand in their lists, one list after the other."""
    part_of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    row_of = np.concatenate([np.arange(len(part)) for part in parts])
    lists = np.unique([part.photos for part in parts], return_inverse=True)[1]
    names = np.array([name for part in parts for name in part.names])
    places = np.concatenate([part.places for part in parts])
    order = np.lexsort((names, places, lists[part_of]))
    return part_of[order], row_of[order]


def _named(parts: Sequence[Part], texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """Put the site, or the digest, of its list before each text, where there are several lists."""
    several = len({part.photos for part in parts}) > 1
    return [
        [f"{part.site or part.photos[:8]}/{text}" if several else text for text in own]
        for part, own in zip(parts, texts, strict=True)
    ]


def _fit(parts: Sequence[Part], settings: Settings, runtime: Runtime) -> Fitted:
    classes = parts[0].fit["classes"]
    part_of, row_of = _order(parts)

    def gathered(columns: Sequence[Any]) -> Any:
        return np.array([columns[p][r] for p, r in zip(part_of, row_of, strict=True)])

    labels = gathered([part.labels for part in parts]).astype(np.int64)
    counts = np.bincount(labels, minlength=len(classes))
    if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
        raise DataError(
            f"None of the photos of {', '.join(empty[:8])} could be decoded: leave the class out."
        )
    groups = None
    if all(part.groups is not None for part in parts):
        groups = gathered(_named(parts, [part.groups or [] for part in parts]))
    names = _named(parts, [part.names for part in parts])
    index = TrainingIndex(
        tuple(names[p][r] for p, r in zip(part_of, row_of, strict=True)),
        gathered([part.digests for part in parts]),
        labels,
    )
    backbones = settings.create_backbones(runtime, settings.level)
    available = tap_sets_of(settings, backbones, len(index))
    wanted = choices(available.tap_sets, settings.encode, settings.kernel)
    networks = []
    for backbone, run in zip(backbones, parts[0].runs, strict=True):
        agreed = [one["agreement"] for part in parts for one in part.runs if one["agreement"] is not None]
        agreement = min(agreed, default=float("nan"))
        networks.append(Network(backbone, run["engine"], run["precision"], agreement, run["weight_bytes"]))
    if shared_facts(settings, runtime, networks, wanted, tuple(classes)) != parts[0].fit:
        raise OptionError(
            f"The network here is another than that of {parts[0].path}, by its digest, or gives other "
            "layers: name it with `backbone`, and its weights with `weights`."
        )
    reason = f"From the sums of {len(parts)} parts."
    units: dict[tuple[int, str], NDArray[np.intp]] = {}

    def total(choice: Choice, decision: Finite) -> RidgeStatistics:
        added: Arrays = {}
        for part in parts:
            for name, array in part.sums(wanted.index(choice)).items():
                if name in added:
                    added[name] += array
                else:
                    added[name] = array
        return RidgeStatistics.from_arrays(added, len(index), decision.coef.shape[1], len(classes))

    def template(choice: Choice) -> tuple[EncodedRows, Finite]:
        tap_set = available.tap_sets.index(choice.taps)
        rows = EncodedRows(_Joined(parts, tap_set, part_of, row_of), choice.encode)
        return rows, unfitted(options_of(choice, settings, runtime), rows.shape[1], rows.dtype, len(classes))

    def solved(choice: Choice) -> FittedHead:
        rows, decision = template(choice)
        key = available.tap_sets.index(choice.taps), choice.encode
        if key not in units:
            copies = identical_rows(rows)
            if not copies.any():
                raise DegenerateKernelError(
                    "The features are the same for every row; choose another encoding or layer."
                )
            units[key] = copies if groups is None else joined_groups(groups, copies)
        return fit_sums(
            decision,
            rows,
            labels,
            total(choice, decision),
            options_of(choice, settings, runtime),
            units=units[key],
            keys=digest_keys(index.digests),
            reason=reason,
        )

    def fits() -> Iterator[tuple[Choice, FittedHead | None, str]]:
        for choice in wanted:
            try:
                yield choice, solved(choice), ""
            except DegenerateKernelError as error:
                yield choice, None, str(error)

    selection = judge(
        fits(), labels, solved, groups=groups, multiplications=available.multiplications, seconds={}
    )
    choice = selection.choice
    sums = total(choice, template(choice)[1])
    record = TrainingSums(index.names, index.digests, labels, sums)
    key = available.tap_sets.index(choice.taps), choice.encode
    fitted = put_together(settings, selection, networks, index, units[key], record, classes)
    return replace(
        fitted,
        gained=gained_by(settings.level, selection, labels, groups),
        n_groups=None if groups is None else len(np.unique(groups)),
    )
