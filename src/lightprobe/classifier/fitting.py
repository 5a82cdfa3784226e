"""From training photos to the classifier that leave-one-out prefers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lightprobe.classifier.fitted import Fitted
from lightprobe.classifier.levels import LEVELS, Gained, Level, prefer_networks
from lightprobe.classifier.settings import Settings
from lightprobe.classifier.training_record import TrainingIndex, TrainingRows, TrainingSums, digest_keys
from lightprobe.features import BackboneRunner, TapSet, extract_tap_sets, taps_of
from lightprobe.head import Conformal, Exact, Novelty
from lightprobe.images import ImageSet, require_every_class
from lightprobe.optics import ENCODERS, has_signs
from lightprobe.photo_model import Network
from lightprobe.ridge import accuracy_interval
from lightprobe.runtime import Runtime
from lightprobe.selection import Available, Candidate, Photos, Selection, choices, list_tap_sets, select


def fit(settings: Settings, images: ImageSet, runtime: Runtime) -> Fitted:
    """Look at the training photos once, compare the candidates, and solve.

    Parameters
    ----------
    images : ImageSet
        Its test photos are left alone.

    Raises
    ------
    LightprobeError
        If the data or a setting cannot be used; one sentence says why.
    """
    settings.check(runtime)
    images = images.training
    require_every_class(images, "training photos")
    every_stage = settings.cut == "auto"
    level, fast = settings.level, None
    if level is not None:
        options = settings.head_options(runtime)
        how = {"image_size": settings.image_size, "mean": settings.mean, "std": settings.std}
        level, fast = prefer_networks(level, images, settings.used_pool, options, runtime, **how)
    backbones = settings.create_backbones(runtime, level)
    available = list_tap_sets(
        backbones, len(images), settings.used_pool, settings.max_memory, every_stage=every_stage
    )
    settled: list[tuple[Network, BackboneRunner]] = []
    for place, backbone in enumerate(backbones):
        taps = taps_of(available.tap_sets, place)
        same = next((known for known, _ in settled if known.backbone.is_same_network(backbone)), None)
        if same is None:
            settled.append(Network.for_photos(images, backbone, taps, runtime))
        else:
            network = same.looking_as(backbone)
            settled.append((network, network.compiled(taps, runtime.device)))
    if level is not None:
        level.announce([runner for _, runner in settled], len(images), runtime.batch_size)
    seen = extract_tap_sets(images, [runner for _, runner in settled], available.tap_sets, runtime)
    images = images.select(seen.kept)
    require_every_class(images, "training photos that can be decoded")
    selection = compare(
        settings, available, seen.matrices, images.labels, images.groups, seen.digests, runtime
    )
    rows = ENCODERS[selection.choice.encode](seen.matrices[selection.choice.taps])
    fitted = assemble(
        settings,
        selection,
        [network for network, _ in settled],
        TrainingRows(images.paths, seen.digests, images.labels, images.groups, rows),
        images.classes,
        runtime,
    )
    return replace(
        fitted,
        seconds={"features": seen.seconds, **selection.seconds},
        skipped=seen.skipped + images.skipped,
        gained=gained_by(level, selection, images.labels, images.groups, fast),
        cut_gain=_gain_over(available.last, selection.candidates) if every_stage else None,
        n_cached=seen.n_cached,
    )


def compare(
    settings: Settings,
    available: Available,
    matrices: Mapping[TapSet, NDArray[np.float16]],
    labels: NDArray[np.int64],
    groups: NDArray[np.str_] | None,
    digests: NDArray[np.uint8],
    runtime: Runtime,
) -> Selection:
    """Compare everything that the settings leave open; what memory had no room for stands at the end."""
    kernel = settings.asked_kernel
    signed = {taps for taps, features in matrices.items() if has_signs(features)}
    selection = select(
        matrices,
        labels,
        choices(available.tap_sets, settings.encode, kernel, signed),
        settings.head_options(runtime),
        groups=groups,
        keys=digest_keys(digests),
        multiplications=available.multiplications,
        never_screened=available.last,
        # A level of quality is worth its cost only where the gain passes its error, however few the photos.
        cheaper=True if settings.level is not None and settings.quality != LEVELS[0] else None,
        progress=runtime.progress,
    )
    dropped = [
        Candidate(choice, dropped=available.dropped[choice.taps])
        for choice in choices(available.dropped, settings.encode, kernel)
    ]
    return replace(selection, candidates=[*selection.candidates, *dropped])


def assemble(
    settings: Settings,
    selection: Selection,
    networks: Sequence[Network],
    rows: TrainingRows,
    classes: Sequence[str],
    runtime: Runtime,
) -> Fitted:
    """Put together the model that a selection on these training photos found.

    Parameters
    ----------
    networks : sequence of Network
        All that were compared; those that the winner looks through are kept, up to its layers.
    rows : TrainingRows
        As the winner's head saw them.
    """
    head = selection.head
    record: TrainingRows | TrainingSums | None = None
    if settings.keep == "features":
        # The head's copy of the rows, where it has one, so that memory holds them once.
        decision = head.decision
        kept = decision.rows if isinstance(decision, Exact) else rows.rows.astype(decision.dtype, copy=False)
        record = replace(rows, rows=kept)
    elif settings.keep == "sums":
        record = TrainingSums.of(head, rows, settings.head_options(runtime))
    fitted = put_together(settings, selection, networks, rows, rows.units(), record, classes)
    return replace(fitted, n_groups=None if rows.groups is None else len(np.unique(rows.groups)))


def put_together(
    settings: Settings,
    selection: Selection,
    networks: Sequence[Network],
    index: TrainingIndex,
    units: NDArray[np.intp],
    record: TrainingRows | TrainingSums | None,
    classes: Sequence[str],
) -> Fitted:
    """Put a model together of what is known of its training photos.

    Parameters
    ----------
    settings, selection, networks, classes
        As for `assemble`.
    index : TrainingIndex
        The training photos, in the order of the winner's left-out scores.
    units : ndarray, shape (n,)
        Which of them were left out together.
    record : TrainingRows, TrainingSums or None
        What is kept of them.
    """
    choice, head = selection.choice, selection.head
    taps = choice.taps
    needed = tuple(networks[place].at(tap.cut) for place, tap in zip(taps.places, taps.taps, strict=True))
    # Alone, its layer needs no network's name before it.
    renumbered = TapSet(taps.taps, tuple(range(len(needed))), taps.names if len(needed) > 1 else ("",))
    at_hand = record.rows if isinstance(record, TrainingRows) else None
    return Fitted(
        classes=tuple(classes),
        networks=needed,
        n_train=len(index),
        seconds=selection.seconds,
        skipped=(),
        settings=settings,
        choice=replace(choice, taps=renumbered),
        candidates=tuple(selection.candidates),
        head=head,
        novelty=Novelty.of(head, index.labels, units, at_hand),
        loo_interval=accuracy_interval(head.loo_scores.argmax(axis=1) == index.labels, units),
        conformal=Conformal.of(head, index.labels, units),
        record=record,
        paths=index.names,
        optimism=selection.optimism,
    )


def gained_by(
    level: Level | None,
    selection: Selection,
    labels: NDArray[np.int64],
    groups: NDArray[np.str_] | None,
    fast: Candidate | None = None,
) -> Gained | None:
    """Say what a level of quality was worth, where one named the networks; see `Gained.of`."""
    if level is None:
        return None
    photos = Photos.of(selection.head.class_weight[labels], groups)
    return Gained.of(level.name, selection.candidates, photos, fast)


def _gain_over(last: Sequence[TapSet], candidates: Sequence[Candidate]) -> float | None:
    there = [c.loo_accuracy for c in candidates if c.choice.taps in last and c.loo_accuracy is not None]
    won = candidates[0].loo_accuracy
    return None if won is None or not there else won - max(there)
