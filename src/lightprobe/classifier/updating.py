"""Change the training set of a fitted model, and solve again from what it keeps.

The result is that of `fit` on the changed set with the same choices: the photos that stayed, in their order,
then those that were added. Nothing is approximated: the kernel is computed from the kept features, alpha is
searched by leave-one-out and the calibration fitted, as in `fit`. What is saved is looking at the photos that
stayed, and comparing what has been chosen already. The model that was there is not touched.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lightprobe.classifier.changes import Changes, NewPhotos, Update, look_at_new, refuse_int8_removal
from lightprobe.classifier.fitted import Fitted
from lightprobe.classifier.fitting import assemble, compare
from lightprobe.classifier.training_record import TrainingRows, digest_keys
from lightprobe.classifier.update_sums import update_sums
from lightprobe.errors import DataError, OptionError
from lightprobe.features import BackboneRunner, FeatureCache, TapSet, provenance, taps_of
from lightprobe.head import fit_head
from lightprobe.images import natural_key
from lightprobe.runtime import Runtime
from lightprobe.selection import Available, Candidate, Selection, list_tap_sets


def update(fitted: Fitted, changes: Changes, runtime: Runtime) -> tuple[Fitted, Update]:
    """Return the model on the changed training set, and what was done.

    Raises
    ------
    OptionError, DataError
        See `ImageClassifier.update`.
    """
    start = time.perf_counter()
    if fitted.record is None:
        raise OptionError(
            "This model keeps nothing of its training photos, so it cannot be updated: "
            "train again, with `keep='features'` or `keep='sums'`."
        )
    refuse_int8_removal(fitted, changes.remove)
    if isinstance(fitted.record, TrainingRows):
        updated, done = _update_rows(fitted, fitted.record, changes, runtime)
    else:
        updated, done = update_sums(fitted, fitted.record, changes, runtime)
    done = replace(done, seconds=time.perf_counter() - start)
    assert updated.record is not None
    forgotten = set(fitted.record.keys()) - set(updated.record.keys())
    if forgotten:
        FeatureCache().forget(forgotten)
    return updated, done


def _update_rows(
    fitted: Fitted, record: TrainingRows, changes: Changes, runtime: Runtime
) -> tuple[Fitted, Update]:
    """Update a model that keeps a row a photo."""
    settings, device = fitted.settings, runtime.device
    gone = record.find(changes.remove)
    before = [fitted.classes[label] for label in record.labels]
    after = list(before)
    for place, (label, _) in record.corrections(changes.relabel).items():
        after[place] = label
    stay = np.delete(np.arange(len(record)), gone)
    done = Update(
        n_removed=len(gone),
        n_relabelled=sum(after[i] != before[i] for i in stay),
        removed=tuple(record.names[i] for i in gone),
    )
    changed, names = record.select(stay), [after[i] for i in stay]
    available: Available | None = None
    runners: Sequence[BackboneRunner] = fitted.runners(device)
    tap_sets: tuple[TapSet, ...] = (fitted.tap_set,)
    if changes.reselect:
        backbones = [network.backbone for network in fitted.networks]
        available = list_tap_sets(backbones, len(record), settings.used_pool, settings.max_memory)
        tap_sets = available.tap_sets
        runners = [
            network.compiled(taps_of(tap_sets, place), device)
            for place, network in enumerate(fitted.networks)
        ]
    seconds = 0.0
    if changes.add is not None:
        keys = changed.keys()
        photos = look_at_new(
            fitted, changes.add, runners, tap_sets, runtime, keys=keys, classes=names, names=changed.names
        )
        seconds = photos.features.seconds
        names = [*names, *photos.classes]
        changed = _extended(changed, photos)
        if available is None:
            rows = fitted.encode(photos.features.matrices[fitted.tap_set][photos.new])
            rows = np.concatenate([changed.rows, rows.astype(changed.rows.dtype, copy=False)])
            changed = replace(changed, rows=rows)
        done = replace(
            done,
            n_added=len(photos.new),
            n_known=len(photos.images) - len(photos.new),
            skipped=photos.skipped,
        )
    classes = sorted(set(names), key=natural_key)
    code = {name: label for label, name in enumerate(classes)}
    changed = replace(changed, labels=np.array([code[name] for name in names], dtype=np.int64))
    if available is None:
        selection = _solved(fitted, changed, len(classes), runtime)
    else:
        matrices = _from_cache(changed.keys(), runners, available)
        selection = compare(
            settings, available, matrices, changed.labels, changed.groups, changed.digests, runtime
        )
        taps, encode = selection.choice.taps, replace(fitted, choice=selection.choice).encode
        changed = replace(changed, rows=encode(matrices[taps]))
    updated = assemble(settings, selection, fitted.networks, changed, classes, runtime)
    updated = replace(updated, label_kind=fitted.label_kind)
    stages = {"features": seconds, **selection.seconds}
    return replace(
        updated, seconds=stages, skipped=fitted.skipped, cut_gain=fitted.cut_gain, gained=fitted.gained
    ), done


def _extended(record: TrainingRows, photos: NewPhotos) -> TrainingRows:
    """Append the photos that are new; their rows are to follow."""
    images, new = photos.images, photos.new
    own = images.groups if images.groups is not None else np.array(images.paths)
    return replace(
        record,
        names=(*record.names, *photos.names),
        digests=np.concatenate([record.digests, photos.features.digests[new]]),
        groups=None if record.groups is None else np.concatenate([record.groups, own[new]]),
    )


def _solved(fitted: Fitted, rows: TrainingRows, n_classes: int, runtime: Runtime) -> Selection:
    """Fit the head that was chosen."""
    choice, options = fitted.choice, fitted.settings.head_options(runtime)
    head = fit_head(
        rows.rows,
        rows.labels,
        n_classes,
        replace(options, kernel=choice.kernel),
        groups=rows.groups,
        keys=digest_keys(rows.digests),
    )
    candidate = Candidate.scored(choice, head, rows.labels)
    return Selection([candidate], choice, head, head.seconds, fitted.optimism)


def _from_cache(
    keys: Sequence[bytes], runners: Sequence[BackboneRunner], available: Available
) -> dict[TapSet, NDArray[np.float16]]:
    """Read what the networks saw in these photos, for choosing again."""
    cache = FeatureCache()
    stores = [
        {tap: cache.store(provenance(compiled, tap)) for tap in compiled.runner.taps} for compiled in runners
    ]
    found = [{tap: [store.find(key) for key in keys] for tap, store in taps.items()} for taps in stores]
    columns = [rows for taps in found for rows in taps.values()]
    missing = sum(any(row is None for row in rows) for rows in zip(*columns, strict=True))
    if missing:
        raise DataError(
            f"Choosing again needs what the network saw, and {missing} of {len(keys)} photos are not in the "
            "feature cache any more: update without `reselect`, or train again."
        )
    seen = [
        {tap: np.stack([row for row in rows if row is not None]) for tap, rows in taps.items()}
        for taps in found
    ]
    return {tap_set: tap_set.join(seen) for tap_set in available.tap_sets}
