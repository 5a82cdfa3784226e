"""What an update is asked for, what it did, and how photos to be added are looked at."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightprobe.classifier.fitted import Fitted
from lightprobe.errors import DataError, OptionError
from lightprobe.features import BackboneRunner, Features, TapSet, extract_tap_sets
from lightprobe.images import ImageSet, Skipped, announce
from lightprobe.photo_model import open_labelled
from lightprobe.runtime import Runtime


@dataclass(frozen=True)
class Changes:
    """What shall become of a training set; fields are the arguments of `ImageClassifier.update`."""

    add: Any = None
    remove: Sequence[str | Path] = ()
    relabel: Mapping[str, str] = field(default_factory=dict)
    reselect: bool = False


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


@dataclass(frozen=True)
class NewPhotos:
    """Photos to be added, as far as they can be decoded, and which of them are new.

    Attributes
    ----------
    images : ImageSet
    features : Features
    new : list of int
        Those whose bytes are not in the model.
    names : list of str
        Names for these that no photo of the model has.
    """

    images: ImageSet
    features: Features[TapSet]
    new: list[int]
    names: list[str]

    @property
    def classes(self) -> list[str]:
        """Classes of the new photos."""
        return [self.images.classes[self.images.labels[place]] for place in self.new]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What cannot be added."""
        return self.features.skipped + self.images.skipped


def refuse_int8_removal(fitted: Fitted, remove: Sequence[str | Path]) -> None:
    """Refuse to take photos out of a model whose network was calibrated on some of them."""
    if len(remove) and any(network.precision == "int8" for network in fitted.networks):
        raise OptionError(
            "This network's int8 ranges were set on some of the training photos, so none can be taken out: "
            "train again without them."
        )


def look_at_new(
    fitted: Fitted,
    add: Any,
    runners: Sequence[BackboneRunner],
    tap_sets: Sequence[TapSet],
    runtime: Runtime,
    *,
    keys: Sequence[bytes],
    classes: Sequence[str],
    names: Sequence[str],
) -> NewPhotos:
    """Look at the photos that are to be added; those that cannot be decoded are left out.

    Parameters
    ----------
    runners, tap_sets
        What looks, and for what.
    keys, classes, names
        Digest, class and name of each photo of the model.

    Raises
    ------
    DataError
        If there are no photos, or one is in the model under another class.
    """
    settings = fitted.settings
    images = open_labelled(
        add,
        class_map=settings.class_map,
        classes=settings.classes,
        group=settings.group,
        unmatched=True,
    )
    announce(images, str(add) if isinstance(add, str | Path) else "photos to add")
    images = images.training
    if not len(images):
        raise DataError("There are no training photos in what is to be added: give one at least.")
    features = extract_tap_sets(images, runners, tap_sets, runtime)
    images = images.select(features.kept)
    known: dict[bytes, set[str]] = defaultdict(set)
    for digest, name in zip(keys, classes, strict=True):
        known[digest].add(name)
    taken, new, free = set(names), [], []
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
    return NewPhotos(images, features, new, free)


def _free_name(path: str, taken: set[str]) -> str:
    """Tell a photo from another one of the same name."""
    name, n = path, 1
    while name in taken:
        n += 1
        name = f"{path} ({n})"
    return name
