"""Merge, rename and drop classes by name: `plastic=plastic,other=*`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from lightprobe.errors import DataError, OptionError
from lightprobe.images.imageset import ImageSet, class_name, listed, natural_key

_PIECE = re.compile(r"\\[,=\\]|.", re.DOTALL)  # one character, or one with its backslash


@dataclass(frozen=True)
class ClassMap:
    """Pairs (new name, old name or pattern); the first pair that matches an old class names it.

    A new name may come several times, which merges classes; an old class that no pair matches is
    dropped with its images. Patterns are those of the shell (`*`, `?`, `[abc]`), case counts, and an
    old class spelled out in full is taken literally. `pairs` can be written as JSON and read again.
    """

    pairs: tuple[tuple[str, str], ...]

    def rename(self, old: str) -> str | None:
        """Return the new name of class `old`, or None if it is dropped."""
        return next((new for new, pattern in self.pairs if _matches(old, pattern)), None)

    def apply(self, images: ImageSet, *, allow_unmatched: bool = False) -> ImageSet:
        """Return `images` with its classes mapped, in natural order.

        Raises DataError if a pattern matches none of the classes (unless `allow_unmatched`: data to
        evaluate a model on may lack some) or if no image is left.
        """
        present = [images.classes[label] for label in np.unique(images.labels[images.labels >= 0])]
        idle = [pattern for _, pattern in self.pairs if not any(_matches(old, pattern) for old in present)]
        if idle and not allow_unmatched:
            raise DataError(
                f"the class map names {listed(idle)}, which matches no class: "
                f"use the names there are ({listed(present, 40)})."
            )
        renamed = [self.rename(old) for old in images.classes]
        kept = np.array([new is not None for new in renamed], dtype=bool)
        images = images.select((images.labels >= 0) & kept[images.labels])
        if not len(images):
            raise DataError(f"the class map drops every image: it keeps none of {listed(present, 40)}.")
        classes = tuple(sorted({new for new in renamed if new is not None}, key=natural_key))
        code = np.array([-1 if new is None else classes.index(new) for new in renamed], dtype=np.int64)
        return replace(images, labels=code[images.labels], classes=classes)


def parse_class_map(text: str) -> ClassMap:
    r"""Read `new=old,new=old,...`; OptionError if a pair is malformed.

    A comma, equals sign or backslash that belongs to a name has a backslash before it: `red=apple\, red`.
    Any other backslash stands for itself.
    """
    pairs = []
    for pair in _parted(text, ","):
        new, *rest = _parted(pair, "=")
        sides = [_plain(side).strip() for side in (new, "=".join(rest))]
        if not all(sides):
            raise OptionError(
                f"the class map has {pair.strip()!r}, which is not a pair NEW=OLD: "
                'write, for example, "plastic=plastic,other=*" '
                r"(a comma or = that belongs to a name as \, or \=)."
            )
        pairs.append((class_name(sides[0]), class_name(sides[1])))
    return ClassMap(tuple(pairs))


def _parted(text: str, sign: str) -> list[str]:
    """Split at a sign that has no backslash before it; backslashes stay."""
    parts = [""]
    for piece in _PIECE.findall(text):
        if piece == sign:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _plain(text: str) -> str:
    """Take away the backslashes that make a sign part of a name."""
    return "".join(piece[1:] if piece[1:] else piece for piece in _PIECE.findall(text))


def as_class_map(
    value: str | Mapping[str, str | Sequence[str]] | Sequence[Sequence[str]] | ClassMap,
) -> ClassMap:
    """Return a ClassMap from its text, from a dict {new: [old, ...]}, or from pairs as JSON has them."""
    if isinstance(value, ClassMap):
        return value
    if isinstance(value, str):
        return parse_class_map(value)
    pairs: list[Sequence[str]] = []
    if isinstance(value, Mapping):
        for new, old in value.items():
            pairs += [(new, pattern) for pattern in ([old] if isinstance(old, str) else old)]
    else:
        pairs = list(value)
    if not pairs or not all(
        len(pair) == 2 and all(isinstance(name, str) and name for name in pair) for pair in pairs
    ):
        raise OptionError(
            f"the class map {value!r} is not a map from new names to old ones: "
            'give, for example, {"plastic": ["plastic"], "other": ["*"]}.'
        )
    return ClassMap(tuple((class_name(new), class_name(old)) for new, old in pairs))


def _matches(old: str, pattern: str) -> bool:
    return old == pattern or fnmatchcase(old, pattern)
