"""Which photos of a list are whose: the same on every machine, whatever order the list came in.

Photos, or groups of them, are put in the order of a digest of their names and dealt to the shards in turn. So
shards differ by at most one in size, each is a fair sample of the whole, and no group is parted.
"""

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError, OptionError
from lightprobe.images import ImageSet


@dataclass(frozen=True, order=True)
class Shard:
    """One of `of` shards of a list, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `3/16`.

        Raises
        ------
        OptionError
            If it is anything else.
        """
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise OptionError(f"shard is {text!r}; write NUMBER/OF with 1 ≤ NUMBER ≤ OF, as 3/16.")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def places(self, images: ImageSet) -> NDArray[np.intp]:
        """Return the places (n,), rising, in `images` of the photos that are this shard's.

        Raises
        ------
        DataError
            If it has none.
        """
        names = images.paths if images.groups is None else images.groups.tolist()
        dealt = {name: i % self.of for i, name in enumerate(sorted(set(names), key=_digest))}
        own = np.flatnonzero([dealt[name] == self.number - 1 for name in names])
        if not len(own):
            what = "photos" if images.groups is None else "groups"
            raise DataError(
                f"Shard {self} has no photos, as there are only {len(dealt)} {what}: cut into fewer."
            )
        return own


def list_digest(images: ImageSet, site: str) -> str:
    """Digest of a site's list of photos: of their names, classes and groups, in whatever order they stand."""
    groups = [""] * len(images) if images.groups is None else images.groups.tolist()
    classes = [images.classes[label] for label in images.labels]
    digest = hashlib.blake2b(repr(site).encode(), digest_size=20)
    for entry in sorted(zip(images.paths, classes, groups, strict=True)):
        digest.update(repr(entry).encode())
    return digest.hexdigest()


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
