"""Change a fitted model's training set, and solve again from the features that it keeps.

The result is that of `fit` on the changed set with the same choices: the photos that stayed, in their order,
then those that were added. Nothing is approximated: the kernel is computed from the kept features, alpha is
searched by leave-one-out and the calibration fitted, as in `fit`. What is saved is looking at the photos that
stayed, and comparing what has been chosen already.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from lightprobe.classifier.kept import Kept
from lightprobe.classifier.network import Network
from lightprobe.classifier.parameters import unfitted_head
from lightprobe.classifier.training import only_needed
from lightprobe.errors import DataError, OptionError
from lightprobe.features import FeatureCache, Features, Lens, provenance, see
from lightprobe.images import ImageSet, Skipped, natural_key
from lightprobe.optics import ENCODERS
from lightprobe.selection import Candidate, Selection, Views, choices, open_views, select

if TYPE_CHECKING:
    from lightprobe.classifier.image_classifier import ImageClassifier


@dataclass(frozen=True)
class Update:
    """What an update did.

    Attributes
    ----------
    n_added, n_removed, n_relabelled : int
        Photos.
    n_known : int
        Photos that were to be added and are in the model already, under the same class.
    removed : tuple of str
        Names of the photos that are gone.
    skipped : tuple of Skipped
        Photos that were to be added and cannot be decoded.
    seconds : float
    """

    n_added: int = 0
    n_removed: int = 0
    n_relabelled: int = 0
    n_known: int = 0
    removed: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    seconds: float = 0.0


def update(
    model: "ImageClassifier",
    add: Any,
    remove: Sequence[str | Path],
    relabel: Mapping[str, str],
    reselect: bool,
) -> Update:
    """Change the training set of a fitted model, and the model with it; see `ImageClassifier.update`."""
    start = time.perf_counter()
    kept = model.kept_
    if kept is None:
        raise OptionError(
            "This model keeps nothing of its training photos, so it cannot be updated: "
            "train again, with keep='features' or 'sums' (--keep features, --keep sums)."
        )
    refuse_int8_removal(model, remove)
    gone = kept.find(remove)
    before = [model.classes_[label] for label in kept.labels]
    names = _relabelled(kept, before, relabel)
    stay = np.delete(np.arange(len(kept)), gone)
    done = Update(
        n_removed=len(gone),
        n_relabelled=sum(names[i] != before[i] for i in stay),
        removed=tuple(kept.names[i] for i in gone),
    )
    changed, names = kept.select(stay), [names[i] for i in stay]
    views, lenses = None, None
    if reselect:
        backbones = [network.backbone for network in model.networks_]
        views = open_views(backbones, len(kept), model.pool, model.max_memory)
        lenses = model.lenses(views.parts)
    seconds = 0.0
    if add is not None:
        images, features = look_at_new(model, add, lenses, views)
        seconds = features.seconds
        n_before = len(changed)
        changed, names = _extended(model, changed, names, images, features)
        n_added = len(changed) - n_before
        skipped = features.skipped + images.skipped
        done = replace(done, n_added=n_added, n_known=len(images) - n_added, skipped=skipped)
    classes = sorted(set(names), key=natural_key)
    code = {name: label for label, name in enumerate(classes)}
    changed = replace(changed, labels=np.array([code[name] for name in names], dtype=np.int64))
    networks = model.networks_
    if views is not None and lenses is not None:
        changed, selection, networks = _reselected(model, changed, lenses, views)
    else:
        selection = _solved(model, changed)
    forgotten = {kept.digests[i].tobytes() for i in gone} - set(changed.keys())
    if forgotten:
        FeatureCache().forget(forgotten)
    model.networks_ = networks
    model._adopt(selection, changed, classes)
    model.seconds_ = {"features": seconds, **selection.seconds}
    return replace(done, seconds=time.perf_counter() - start)


def refuse_int8_removal(model: "ImageClassifier", remove: Sequence[str | Path]) -> None:
    """Refuse to take photos out of a model whose network was calibrated on some of them."""
    if len(remove) and any(network.precision == "int8" for network in model.networks_):
        raise OptionError(
            "This network's int8 ranges were set on some of the training photos, so none can be taken out: "
            "train again without them."
        )


def _relabelled(kept: Kept, names: Sequence[str], relabel: Mapping[str, str]) -> list[str]:
    """Give the photos that `relabel` names their new class."""
    renamed = list(names)
    for place, (label, _) in kept.corrections(relabel).items():
        renamed[place] = label
    return renamed


def look_at_new(
    model: "ImageClassifier", add: Any, lenses: Sequence[Lens] | None = None, views: Views | None = None
) -> tuple[ImageSet, Features]:
    """Look at the photos that are to be added; those that cannot be decoded are left out."""
    images = model._open(add, None, group=model.group, unmatched=True).training
    if not len(images):
        raise DataError("There are no training photos in what is to be added: give one at least.")
    wanted = None if views is None else views.parts | model.views
    features = model.look(images, lenses=lenses, views=wanted)
    return images.select(features.kept), features


def unknown_photos(
    keys: Sequence[bytes], names: Sequence[str], paths: Sequence[str], images: ImageSet, features: Features
) -> tuple[list[int], list[str]]:
    """Find the photos whose bytes are new, and names for them that are new.

    Parameters
    ----------
    keys, names, paths
        Digest, class and name of each photo of the model.
    images, features
        What is to be added.

    Raises
    ------
    DataError
        If a photo is in the model under another class.
    """
    known: dict[bytes, set[str]] = defaultdict(set)
    for digest, name in zip(keys, names, strict=True):
        known[digest].add(name)
    taken, new, free = set(paths), [], []
    for place, label in enumerate(images.labels):
        name, there = images.classes[label], known[features.digests[place].tobytes()]
        if there and name not in there:
            raise DataError(
                f"{images.paths[place]} is to be added as {name} and is in the model as "
                f"{' and '.join(sorted(there))}: relabel or remove it, or leave it out."
            )
        if not there:
            new.append(place)
            free.append(_free_name(images.paths[place], taken))
            taken.add(free[-1])
    return new, free


def _extended(
    model: "ImageClassifier", kept: Kept, names: Sequence[str], images: ImageSet, features: Features
) -> tuple[Kept, list[str]]:
    """Append the photos whose bytes are new, under names that are new."""
    new, paths = unknown_photos(kept.keys(), names, kept.names, images, features)
    own = images.groups if images.groups is not None else np.array(images.paths)
    groups = None if kept.groups is None else np.concatenate([kept.groups, own[new]])
    rows = ENCODERS[model.choice_.encode](features.matrices[model.choice_.tap][new])
    extended = replace(
        kept,
        names=(*kept.names, *paths),
        digests=np.concatenate([kept.digests, features.digests[new]]),
        groups=groups,
        rows=np.concatenate([kept.rows, rows.astype(kept.rows.dtype, copy=False)]),
    )
    return extended, [*names, *(images.classes[images.labels[place]] for place in new)]


def _free_name(path: str, taken: set[str]) -> str:
    """Tell a photo from another one of the same name."""
    name, n = path, 1
    while name in taken:
        n += 1
        name = f"{path} ({n})"
    return name


def _solved(model: "ImageClassifier", kept: Kept) -> Selection:
    """Fit the head that was chosen."""
    _, head = unfitted_head(model)
    head = clone(head).set_params(kernel=model.choice_.kernel)
    head.fit(kept.rows, kept.labels, groups=kept.groups)
    candidate = Candidate.scored(model.choice_, head, kept.labels)
    return Selection([candidate], model.choice_, head, head.seconds_, model.optimism_)


def _reselected(
    model: "ImageClassifier", kept: Kept, lenses: Sequence[Lens], views: Views
) -> tuple[Kept, Selection, tuple[Network, ...]]:
    """Compare views, encodings and kernels again, on features from the cache."""
    cache = FeatureCache()
    stores = [
        {tap: cache.store(provenance(lens.backbone, lens.runner, tap)) for tap in lens.runner.taps}
        for lens in lenses
    ]
    keys = kept.keys()
    missing = sum(any(key not in store for taps in stores for store in taps.values()) for key in keys)
    if missing:
        raise DataError(
            f"Choosing again needs what the network saw, and {missing} of {len(kept)} photos are not in the "
            "feature cache any more: update without --reselect, or train again."
        )
    seen = [
        {tap: np.stack([store.row(key) for key in keys]) for tap, store in taps.items()} for taps in stores
    ]
    matrices = {name: see(parts, seen) for name, parts in views.parts.items()}
    kernel, head = unfitted_head(model)
    selection = select(
        matrices,
        kept.labels,
        choices(views.parts, model.encode, kernel),
        head,
        groups=kept.groups,
        multiplications=views.multiplications,
        progress=model.verbose,
    )
    rows = ENCODERS[selection.choice.encode](matrices[selection.choice.tap])
    selection, networks = only_needed(selection, views, model.networks_)
    return replace(kept, rows=rows), selection, networks
