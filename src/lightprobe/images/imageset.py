"""What every form of input becomes: images by name, labels by name, splits, groups."""

import posixpath
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError, ImageError, OptionError

# A quarter of a gigabyte once decoded; Pillow draws its own line at the same place.
DEFAULT_MAX_PIXELS: Final = 89_478_485

_DIGITS = re.compile(r"([0-9]+)")
_SAME_NAME = "another photo has this name, as it is spelled here or otherwise"


def natural_key(text: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """Sort key that puts `2` before `10`, ignores case, and breaks ties by the text itself.

    A run of digits compares by its value, written (number of digits, digits) without leading zeros, so
    that a run of any length has one. Runs of text and of digits alternate, hence always meet their like.
    """
    parts: list[str | tuple[int, str]] = []
    for place, part in enumerate(_DIGITS.split(text.casefold())):
        if place % 2:
            digits = part.lstrip("0")
            parts.append((len(digits), digits))
        else:
            parts.append(part)
    return tuple(parts), text


def class_name(text: str) -> str:
    """Return `text` as a class name: composed (NFC), so that names match whatever system wrote them."""
    return unicodedata.normalize("NFC", text)


def photo_name(path: str) -> str:
    r"""Return a path as the name of a photo, the same however it is spelled.

    Slashes go forward, `.`, `..` and doubled slashes are resolved, and accents are composed (NFC): what a
    table, a zip or another system calls `./cat\é.jpg` is `cat/é.jpg`.
    """
    return unicodedata.normalize("NFC", posixpath.normpath(path.replace("\\", "/")))


class Source(Protocol):
    """Where the images of an ImageSet are read from. Many threads call `read` at once."""

    def read(self, index: int) -> bytes | NDArray[np.uint8]:
        """Return the encoded file, or the pixels as (h, w, 3) uint8; ImageError if neither can be had."""
        ...


class SourceChain:
    """Sources laid end to end, each with its number of images."""

    def __init__(self, parts: Sequence[tuple[Source, int]]) -> None:
        self._sources = tuple(source for source, _ in parts)
        self._ends = tuple(accumulate(length for _, length in parts))

    def read(self, index: int) -> bytes | NDArray[np.uint8]:
        """Return image `index` of the whole."""
        which = bisect_right(self._ends, index)
        return self._sources[which].read(index - (self._ends[which - 1] if which else 0))


@dataclass(frozen=True)
class Skipped:
    """Something in the data that is not used, and why.

    Parameters
    ----------
    path : str
        A file or folder, or the pattern of many files (`cat/*.txt`).
    reason : str
    count : int
        How many files it stands for.
    fault : bool
        Whether somebody should look at it: not at documents that lie beside photos.
    remedy : str
        What to do about it.
    """

    path: str
    reason: str
    count: int = 1
    fault: bool = True
    remedy: str = ImageError.remedy


def count_skipped(skipped: Iterable[Skipped]) -> int:
    """Count the files that were skipped."""
    return sum(one.count for one in skipped)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their names, labels, splits and groups; the pixels stay where they are until `read`.

    Parameters
    ----------
    paths : tuple of str, length n
        Names, unique among labelled images, which are called by `photo_name`: relative to the data
        (`train/daisy/x.jpg`), paths as given, or `0`, `1`, ... for images in memory.
    labels : (n,) int64
        Index into `classes`; -1 where there is no label.
    classes : tuple of str
        Class names; the readers put them in natural order.
    splits : (n,) str
        `""` (unsplit), `train`, `val` or `test`.
    groups : (n,) str or None
        Images of one group (one object, one burst, one place) must not be divided.
    source : Source
        Where pixels are read from.
    positions : (n,) int64
        Index of each image in `source`.
    skipped : tuple of Skipped
        What the listing itself found unusable.
    max_pixels : int
        What a picture may take once it is decoded; see `decode`.
    label_kind : {"str", "int", "bool"}
        What the labels were that the caller gave, and get back from `as_labels`.
    """

    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    splits: NDArray[np.str_]
    groups: NDArray[np.str_] | None
    source: Source
    positions: NDArray[np.int64]
    skipped: tuple[Skipped, ...] = ()
    max_pixels: int = DEFAULT_MAX_PIXELS
    label_kind: str = "str"

    @classmethod
    def from_names(
        cls,
        paths: Sequence[str],
        names: Sequence[str],
        source: Source,
        *,
        splits: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        positions: Sequence[int] | None = None,
        skipped: Sequence[Skipped] = (),
        label_kind: str = "str",
    ) -> Self:
        """Build a set from one class name an image; the names that occur become the classes.

        Photos are called by `photo_name`; of those that then have one name, the first counts, and the others
        are skipped.
        """
        names = [class_name(name) for name in names]
        paths = [photo_name(path) for path in paths]
        classes = sorted(set(names), key=int if label_kind == "int" else natural_key)
        code = {name: label for label, name in enumerate(classes)}
        everything = cls(
            paths=tuple(paths),
            labels=np.array([code[name] for name in names], dtype=np.int64),
            classes=tuple(classes),
            splits=np.array(splits if splits is not None else [""] * len(names), dtype="<U5"),
            groups=None if groups is None else np.array(groups, dtype=np.str_),
            source=source,
            positions=np.array(range(len(names)) if positions is None else positions, dtype=np.int64),
            skipped=tuple(skipped),
            label_kind=label_kind,
        )
        first = {path: place for place, path in reversed(list(enumerate(paths)))}
        if len(first) == len(paths):
            return everything
        again = [Skipped(path, _SAME_NAME) for place, path in enumerate(paths) if first[path] != place]
        return replace(everything.select(sorted(first.values())), skipped=(*skipped, *again))

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> bytes | NDArray[np.uint8]:
        """Return image `index` as its source has it: encoded bytes, or (h, w, 3) uint8 pixels."""
        return self.source.read(int(self.positions[index]))

    def select(self, which: NDArray[np.bool_] | NDArray[np.integer] | Sequence[int]) -> Self:
        """Return the images of a boolean mask (n,) or of indices, in that order; the classes stay."""
        chosen = np.asarray(which)
        indices = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        return replace(
            self,
            paths=tuple(self.paths[i] for i in indices),
            labels=self.labels[indices],
            splits=self.splits[indices],
            groups=None if self.groups is None else self.groups[indices],
            positions=self.positions[indices],
        )

    def limited(self, max_megapixels: float | None) -> Self:
        """Return the set with another limit to the size of its pictures; None leaves it as it is.

        Raises OptionError for a limit that is not above zero.
        """
        if max_megapixels is None:
            return self
        if not max_megapixels > 0:
            raise OptionError(f"max_megapixels is {max_megapixels}; it must be above zero, for example 200.")
        return replace(self, max_pixels=round(max_megapixels * 1e6))

    @property
    def training(self) -> Self:
        """What the closed form trains on: everything but the images that play the test role."""
        role = self._test_role()
        return self if role is None else self.select(self.splits != role)

    @property
    def test(self) -> Self | None:
        """The `test` split; without one, `val`; with neither, None."""
        role = self._test_role()
        return None if role is None else self.select(self.splits == role)

    @property
    def validation(self) -> Self | None:
        """The `val` split, when there is a `test` split beside it; otherwise None."""
        val = self.splits == "val"
        return self.select(val) if self._test_role() == "test" and val.any() else None

    def aligned_to(self, classes: Sequence[str]) -> Self:
        """Recode the labels, by name, to another list of classes.

        A class of `classes` without images here is fine. Raises DataError if an image has a class
        that is not in `classes`.
        """
        code = {class_name(name): label for label, name in enumerate(classes)}
        table = np.array([code.get(name, -1) for name in self.classes], dtype=np.int64)
        present = np.unique(self.labels[self.labels >= 0])
        unknown = [self.classes[label] for label in present if table[label] < 0]
        if unknown:
            raise DataError(
                f"the data has images of {listed(unknown)}, which the model does not know "
                f"(it knows {listed(list(classes))}): leave them out or rename them with a class map, "
                f"for example `class_map='{classes[0]}={classes[0]}'`."
            )
        labels = np.where(self.labels >= 0, table[self.labels], -1) if len(table) else self.labels
        return replace(self, labels=labels, classes=tuple(classes))

    def grouped_by(self, pattern: str) -> Self:
        """Group the images by what a regular expression finds in their paths (its first group, if any).

        Raises OptionError for a malformed pattern and DataError for a path in which it finds nothing.
        """
        try:
            expression = re.compile(pattern)
        except re.error as error:
            raise OptionError(
                f"the group pattern {pattern!r} is not a regular expression ({error}): "
                "give one that finds the group's name in each path."
            ) from None
        found = [expression.search(path) for path in self.paths]
        missing = [path for path, match in zip(self.paths, found, strict=True) if match is None]
        if missing:
            raise DataError(
                f"the group pattern {pattern!r} finds nothing in {listed(missing)}: "
                "give one that matches every path."
            )
        which = 1 if expression.groups else 0
        names = [match.group(which) or "" for match in found if match is not None]
        return replace(self, groups=np.array(names, dtype=np.str_))

    def _test_role(self) -> str | None:
        return next((role for role in ("test", "val") if (self.splits == role).any()), None)


def label_kind(labels: Any) -> str:
    """Return what labels are, as they were given: "int" or "bool" where all of them are, else "str"."""
    plain = [label.item() if hasattr(label, "item") else label for label in labels]
    if plain and all(isinstance(label, bool) for label in plain):
        return "bool"
    return "int" if plain and all(type(label) is int for label in plain) else "str"


def as_labels(classes: Sequence[str], kind: str) -> NDArray[Any]:
    """Return names of classes as labels of a kind, (n_classes,); as they are, where one is no such label."""
    if kind == "int" and all(re.fullmatch("-?[0-9]+", name) for name in classes):
        return np.array([int(name) for name in classes])
    if kind == "bool" and set(classes) <= {"False", "True"}:
        return np.array([name == "True" for name in classes])
    return np.array(classes)


def require_every_class(images: ImageSet, what: str) -> None:
    """Raise DataError unless `images` (called `what` in the message) has two classes, none without images."""
    if not len(images):
        raise DataError(f"there are no {what}: give at least one photo for each of two or more classes.")
    counts = np.bincount(images.labels, minlength=len(images.classes))
    empty = [name for name, count in zip(images.classes, counts, strict=True) if count == 0]
    if empty:
        raise DataError(
            f"there are no {what} of {listed(empty)}: "
            "add some, or drop the class from the data or with `class_map`."
        )
    if len(images.classes) < 2:
        raise DataError(
            f"all {what} are of one class ({images.classes[0]}): "
            "a classifier needs two or more, each in a folder of its own."
        )


def listed(names: Sequence[str], limit: int = 8) -> str:
    """Return names as a phrase: `a, b, c and 4 more`."""
    head = ", ".join(names[:limit])
    return head if len(names) <= limit else f"{head} and {len(names) - limit} more"
