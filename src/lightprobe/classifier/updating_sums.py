"""Change the training set of a model that keeps sums: add what is new, subtract what can be seen again.

The scores are those of `fit` on the changed set with the same choices and the same relative alpha, to
rounding. A photo that is taken out or relabelled is looked at once more, as its features were not kept.
Alpha, calibration, novelty and leave-one-out accuracy need every photo again: they stay those of the last
training, and `stale_` says so.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.classifier.summed import Summed
from lightprobe.classifier.updating import Update, look_at_new, refuse_int8_removal, unknown_photos
from lightprobe.errors import DataError, OptionError
from lightprobe.features import FeatureCache
from lightprobe.head import class_sums, over_classes, solved_again
from lightprobe.images import natural_key, open_listed
from lightprobe.optics import ENCODERS
from lightprobe.ridge import RidgeStatistics

if TYPE_CHECKING:
    from lightprobe.classifier.image_classifier import ImageClassifier


@dataclass(frozen=True)
class _Asked:
    """What is to become of the photos of the roster.

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
    model: "ImageClassifier",
    old: Summed,
    add: Any,
    remove: Sequence[str | Path],
    relabel: Mapping[str, str],
    reselect: bool,
) -> Update:
    """Change the sums of a fitted model, and the model with them; see `ImageClassifier.update`."""
    start = time.perf_counter()
    if reselect:
        raise OptionError(
            "Choosing again needs features of every photo, and this model keeps sums: train again, with "
            "keep='features' (--keep features) for that."
        )
    refuse_int8_removal(model, remove)
    asked = _asked(model, old, remove, relabel)
    rows, seconds = _seen_again(model, old, asked.files)
    done = Update(0, len(asked.gone), len(asked.moved), removed=tuple(old.names[i] for i in asked.gone))

    stay = np.delete(np.arange(len(old)), asked.gone)
    names, digests = [old.names[i] for i in stay], old.digests[stay]
    classes = [asked.after[i] for i in stay]
    new_rows, n_stay = rows[:0], len(stay)
    if add is not None:
        images, features = look_at_new(model, add)
        keys = [row.tobytes() for row in digests]
        new, free = unknown_photos(keys, classes, names, images, features)
        new_rows = _encoded(model, features.matrices[model.tap_][new])
        names, digests = names + free, np.concatenate([digests, features.digests[new]])
        classes = classes + [images.classes[images.labels[i]] for i in new]
        seconds += features.seconds
        skipped = features.skipped + images.skipped
        done = replace(done, n_added=len(new), n_known=len(images) - len(new), skipped=skipped)

    every = sorted({*asked.before, *classes}, key=natural_key)
    left = sorted(set(classes), key=natural_key)
    if len(left) < 2:
        raise DataError("The labels are all of one class; a classifier needs at least two.")

    def of(some: NDArray[Any], labels: Sequence[str]) -> RidgeStatistics:
        return class_sums(model.head_, some, _places(every, labels), len(every))

    again = sorted(asked.files)
    sums = over_classes(old.sums, _places(model.classes_.tolist(), every))
    sums = sums - of(rows, [asked.before[i] for i in again])
    sums = sums + of(rows[np.isin(again, asked.moved)], [asked.after[i] for i in asked.moved])
    sums = over_classes(sums + of(new_rows, classes[n_stay:]), _places(every, left))
    head = solved_again(model.head_, sums)

    gone = {old.digests[i].tobytes() for i in asked.gone} - {row.tobytes() for row in digests}
    if gone:
        FeatureCache().forget(gone)
    model.stale_ = model.stale_ or bool(again) or len(names) > n_stay
    model.sums_ = Summed(tuple(names), digests, _places(left, classes), sums)
    model.head_, model.classes_, model.loo_scores_ = head, np.array(left), head.loo_scores_
    model.paths_, model.n_train_ = names, len(names)
    done = replace(done, seconds=time.perf_counter() - start)
    model.seconds_ = {"features": seconds, "fit": max(0.0, done.seconds - seconds)}
    return done


def _asked(
    model: "ImageClassifier", old: Summed, remove: Sequence[str | Path], relabel: Mapping[str, str]
) -> _Asked:
    before = [str(model.classes_[label]) for label in old.labels]
    after, files = list(before), {}
    for photo in remove:
        files.update(dict.fromkeys(old.find([photo]).tolist(), str(photo)))
    gone, moved = sorted(files), []
    for place, (label, path) in old.corrections(relabel).items():
        after[place] = label
        if label != before[place] and place not in files:
            files[place] = path
            moved.append(place)
    return _Asked(before, after, gone, sorted(moved), files)


def _seen_again(
    model: "ImageClassifier", old: Summed, files: Mapping[int, str]
) -> tuple[NDArray[Any], float]:
    """Look once more at photos of the roster; return their encoded features, in its order, and seconds.

    Raises
    ------
    DataError
        If a photo is not at hand, or the file at that place is another one.
    """
    places = sorted(files)
    if not places:
        width = model.head_.n_features_in_
        return np.empty((0, width), dtype=model.head_.dtype_), 0.0
    for place in places:
        if not Path(files[place]).is_file():
            raise DataError(
                f"{old.names[place]} has to be seen again, as this model keeps sums and no features, and "
                f"{files[place]} is no file: give the path of the photo."
            )
    features = model.look(open_listed([files[place] for place in places]), strict=True)
    for place, digest in zip(places, features.digests, strict=True):
        if digest.tobytes() != old.digests[place].tobytes():
            raise DataError(
                f"{files[place]} is not the photo {old.names[place]} that was trained on, to the byte, so it "
                "cannot be taken out of the sums: give the very file."
            )
    return _encoded(model, features.matrices[model.tap_]), features.seconds


def _encoded(model: "ImageClassifier", features: NDArray[np.float16]) -> NDArray[Any]:
    return ENCODERS[model.choice_.encode](features)


def _places(among: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Place of each name among others; −1 for one that is not there."""
    known = {name: place for place, name in enumerate(among)}
    return np.array([known.get(name, -1) for name in names], dtype=np.int64)
