"""Change the training set of a model that keeps sums: add what is new, subtract what can be seen again.

The scores are those of `fit` on the changed set with the same choices and the same relative alpha, to
rounding. A photo that is taken out or relabelled is looked at once more, as its features were not kept.
Alpha, calibration, novelty and leave-one-out accuracy need every photo again: they stay those of the last
training, and `stale` says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.classifier.changes import Changes, Update, look_at_new
from lightprobe.classifier.fitted import Fitted
from lightprobe.classifier.training_record import TrainingSums
from lightprobe.errors import DataError, OptionError
from lightprobe.head import finite, over_classes, solved_again, sum_classes
from lightprobe.images import natural_key, open_listed
from lightprobe.photo_model import look
from lightprobe.ridge import RidgeStatistics
from lightprobe.runtime import Runtime


@dataclass(frozen=True)
class _Asked:
    """What is to become of the photos that the sums are over.

    Attributes
    ----------
    before, after : list of str, length n
        Class of each photo.
    gone, moved : list of int
        Places of those that are taken out, and of others that get another class.
    files : dict of int to str
        Where each of either can be seen again.
    """

    before: list[str]
    after: list[str]
    gone: list[int]
    moved: list[int]
    files: dict[int, str]


def update_sums(
    fitted: Fitted, old: TrainingSums, changes: Changes, runtime: Runtime
) -> tuple[Fitted, Update]:
    """Return the model with the changed sums, and what was done; see `ImageClassifier.update`."""
    if changes.reselect:
        raise OptionError(
            "Choosing again needs features of every photo, and this model keeps sums: train again, with "
            "`keep='features'` for that."
        )
    asked = _asked(fitted, old, changes)
    rows, seconds = _seen_again(fitted, old, asked.files, runtime)
    done = Update(0, len(asked.gone), len(asked.moved), removed=tuple(old.names[i] for i in asked.gone))

    stay = np.delete(np.arange(len(old)), asked.gone)
    names, digests = [old.names[i] for i in stay], old.digests[stay]
    classes = [asked.after[i] for i in stay]
    new_rows, n_stay = rows[:0], len(stay)
    if changes.add is not None:
        photos = look_at_new(
            fitted,
            changes.add,
            fitted.runners(runtime.device),
            [fitted.tap_set],
            runtime,
            keys=[row.tobytes() for row in digests],
            classes=classes,
            names=names,
        )
        new_rows = fitted.encode(photos.features.matrices[fitted.tap_set][photos.new])
        names, classes = names + photos.names, classes + photos.classes
        digests = np.concatenate([digests, photos.features.digests[photos.new]])
        seconds += photos.features.seconds
        done = replace(
            done,
            n_added=len(photos.new),
            n_known=len(photos.images) - len(photos.new),
            skipped=photos.skipped,
        )

    every = sorted({*asked.before, *classes}, key=natural_key)
    left = sorted(set(classes), key=natural_key)
    if len(left) < 2:
        raise DataError("The labels are all of one class; a classifier needs at least two.")
    device = fitted.settings.head_options(runtime).solve_device

    def of(some: NDArray[Any], labels: Sequence[str]) -> RidgeStatistics:
        return sum_classes(finite(fitted.head), some, _places(every, labels), len(every), device)

    again = sorted(asked.files)
    sums = over_classes(old.sums, _places(fitted.classes, every))
    sums = sums - of(rows, [asked.before[i] for i in again])
    sums = sums + of(rows[np.isin(again, asked.moved)], [asked.after[i] for i in asked.moved])
    sums = over_classes(sums + of(new_rows, classes[n_stay:]), _places(every, left))
    head = solved_again(fitted.head, sums, device)
    updated = replace(
        fitted,
        classes=tuple(left),
        n_train=len(names),
        seconds={"features": seconds, "fit": 0.0},
        head=head,
        conformal=fitted.conformal and fitted.conformal.over_classes(_places(fitted.classes, left)),
        record=TrainingSums(tuple(names), digests, _places(left, classes), sums),
        paths=tuple(names),
        stale=fitted.stale or bool(again) or len(names) > n_stay,
    )
    return updated, done


def _asked(fitted: Fitted, old: TrainingSums, changes: Changes) -> _Asked:
    before = [fitted.classes[label] for label in old.labels]
    after, files = list(before), {}
    for photo in changes.remove:
        files.update(dict.fromkeys(old.find([photo]).tolist(), str(photo)))
    gone, moved = sorted(files), []
    for place, (label, path) in old.corrections(changes.relabel).items():
        after[place] = label
        if label != before[place] and place not in files:
            files[place] = path
            moved.append(place)
    return _Asked(before, after, gone, sorted(moved), files)


def _seen_again(
    fitted: Fitted, old: TrainingSums, files: Mapping[int, str], runtime: Runtime
) -> tuple[NDArray[Any], float]:
    """Look once more at photos of the sums; return their encoded features, in its order, and seconds.

    Raises
    ------
    DataError
        If a photo is not at hand, or the file at that place is another one.
    """
    places = sorted(files)
    if not places:
        decision = fitted.head.decision
        return np.empty((0, decision.n_features), dtype=decision.dtype), 0.0
    for place in places:
        if not Path(files[place]).is_file():
            raise DataError(
                f"{old.names[place]} has to be seen again, as this model keeps sums and no features, and "
                f"{files[place]} is no file: give the path of the photo."
            )
    seen = look(fitted, open_listed([files[place] for place in places]), replace(runtime, strict=True))
    for place, digest in zip(places, seen.digests, strict=True):
        if digest.tobytes() != old.digests[place].tobytes():
            raise DataError(
                f"{files[place]} is not the photo {old.names[place]} that was trained on, to the byte, so it "
                "cannot be taken out of the sums: give the very file."
            )
    return fitted.encode(seen.matrices[fitted.tap_set]), seen.seconds


def _places(among: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Place of each name among others; −1 for one that is not there."""
    known = {name: place for place, name in enumerate(among)}
    return np.array([known.get(name, -1) for name in names], dtype=np.int64)
