"""The whole check: files, copies, labels, groups and classes, from one look at pixels and features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import DEFAULT, OneOrSeveral, Tap, backbones_for
from lightprobe.check.balance import Confusable, balance_findings, confusable_classes
from lightprobe.check.duplicates import Pair, clusters, exact_pairs, near_pairs, pair_findings
from lightprobe.check.findings import KINDS, Finding, worst_first
from lightprobe.check.groups import GroupFigures, group_figures, guess_groups
from lightprobe.check.labels import judge_labels, label_findings
from lightprobe.check.scan import Seen, look, read_grey, same_in_full
from lightprobe.devices import double_device
from lightprobe.errors import DataError, as_flags
from lightprobe.features import TapSet, compile_each, extract_tap_sets, names_of
from lightprobe.images import ImageSet, Skipped
from lightprobe.optics import ENCODERS
from lightprobe.ridge import DegenerateKernelError, IllConditionedError
from lightprobe.runtime import Runtime

ENCODE: Final = "l2"


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes
    ----------
    findings : list of Finding
        The worst first.
    n : int
        Photos that were looked at.
    unjudged : str
        Why leave-one-out says nothing of the labels; empty if it does.
    wrong_labels : float or None
        Estimated share of wrong labels; None if they were not judged.
    loo_accuracy : float or None
        By leave-one-out, copies left out together, with the check's own kernel; see `judge_labels`.
    groups : GroupFigures or None
        None if nothing belongs together.
    confusable : list of Confusable
        Classes that cannot be told apart.
    """

    findings: list[Finding]
    n: int
    unjudged: str = ""
    wrong_labels: float | None = None
    loo_accuracy: float | None = None
    groups: GroupFigures | None = None
    confusable: Sequence[Confusable] = ()

    def counts(self) -> dict[str, int]:
        """Count the findings of each kind that occurs, the worst first."""
        kinds = [finding.kind for finding in self.findings]
        return {kind: kinds.count(kind) for kind in KINDS if kind in kinds}


def check(
    images: ImageSet,
    runtime: Runtime,
    *,
    backbone: str | Sequence[str] = DEFAULT,
    weights: OneOrSeveral = None,
    cut: OneOrSeveral = None,
    looks: str | Sequence[str] | None = None,
    image_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Check:
    """Look for faults in all photos of all splits.

    Parameters
    ----------
    images : ImageSet
    runtime : Runtime
    backbone, weights, cut, looks, image_size, mean, std
        As for `ImageClassifier`; several networks or looks stand side by side.

    Raises
    ------
    DataError
        If no photo can be decoded, or if `strict` and one cannot.
    """
    networks = backbones_for(
        runtime,
        backbone,
        weights=weights,
        cut=cut,
        looks=looks,
        image_size=image_size,
        mean=mean,
        std=std,
    )
    taps = tuple(Tap(network.cut, "avg") for network in networks)
    beside = TapSet(taps, tuple(range(len(taps))), tuple(names_of(networks)))
    compiled = compile_each(images, networks, [[tap] for tap in taps], runtime)
    seen: dict[int, Seen] = {}

    def inspect(index: int, content: bytes | NDArray[np.uint8], pixels: NDArray[np.uint8]) -> None:
        seen[index] = look(images.paths[index], content, pixels)

    features = extract_tap_sets(images, [runner for runner, _ in compiled], [beside], runtime, inspect)
    X, rows = features.matrices[beside], features.kept
    findings = _file_findings(seen, images, features.skipped)
    pairs = _pairs(images, X, rows, seen, progress=runtime.progress)
    findings += pair_findings(pairs, images)
    kept = images.select(rows)
    findings += balance_findings(kept.labels, kept.classes, kept.groups)
    copies = clusters(pairs, len(images))[rows]
    try:
        judged = _judge(kept, ENCODERS[ENCODE](X), copies, runtime)
    except (DataError, DegenerateKernelError, IllConditionedError) as error:  # all one picture, as a rule
        judged = Check([], len(images), str(error))
    return replace(judged, findings=worst_first(findings + judged.findings), n=len(images))


def _file_findings(seen: Mapping[int, Seen], images: ImageSet, skipped: Sequence[Skipped]) -> list[Finding]:
    found = [
        Finding(one.path, "unreadable", one.reason, as_flags(one.remedy))
        for one in (*images.skipped, *skipped)
        if one.fault
    ]
    for index in sorted(seen):
        found += [Finding(images.paths[index], "odd", *oddity) for oddity in seen[index].oddities]
    return found


def _pairs(
    images: ImageSet,
    X: NDArray[np.float16],
    rows: NDArray[np.int64],
    seen: Mapping[int, Seen],
    *,
    progress: bool,
) -> list[Pair]:
    """Find photos that are the same picture; copies in another format are compared at full scale."""
    small = {index: one.coarse for index, one in seen.items()}
    pairs = exact_pairs({index: seen[index].pixels for index in sorted(seen)})
    for pair in near_pairs(X, rows, small, partial(read_grey, images), pairs, progress=progress):
        first, second = (seen[i] for i in (pair.first, pair.second))
        alike = first.size == second.size and first.reduced != second.reduced
        same = alike and same_in_full(images, pair.first, pair.second)
        pairs.append(replace(pair, match=None) if same else pair)
    return pairs


def _judge(images: ImageSet, X: NDArray[Any], copies: NDArray[np.intp], runtime: Runtime) -> Check:
    """Say what leave-one-out makes of labels, groups and classes; copies are left out together."""
    present, y = np.unique(images.labels, return_inverse=True)
    if len(present) < 2:
        return Check([], len(images), "The photos are all of one class.")
    names = [images.classes[label] for label in present]
    groups, source = _groups(images, y, copies)
    groupings = [copies] if groups is None else [copies, None, groups]
    judged = judge_labels(
        X,
        y,
        groupings,
        device=double_device(runtime.device),
        random_state=runtime.seed,
        progress=runtime.progress,
    )
    scores = judged.left_out[0]
    figures = None
    if groups is not None:
        plain, grouped = judged.left_out[1:]
        figures = group_figures(plain, grouped, y, groups, source)
    return Check(
        label_findings(judged.noise, images, names),
        len(images),
        "",
        judged.noise.rate,
        float((scores.argmax(axis=1) == y).mean()),
        figures,
        confusable_classes(scores, y, names),
    )


def _groups(
    images: ImageSet, labels: NDArray[np.intp], copies: NDArray[np.intp]
) -> tuple[NDArray[np.intp] | None, str]:
    """Return the groups that were given, or a guess, and where they come from; None if there are none."""
    if images.groups is None:
        return guess_groups(images.paths, labels, copies) or (None, "")
    named = np.unique(images.groups, return_inverse=True)[1]
    return (named, "given") if named.max() > 0 else (None, "")
