"""What a model keeps of its training photos, so that the set can be changed later.

`TrainingRows` holds a row a photo, `TrainingSums` sums over them; both know which photos they were.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError, ImageError
from lightprobe.features import image_digest
from lightprobe.head import (
    Exact,
    FittedHead,
    HeadOptions,
    finite,
    pack_rows,
    require_room,
    sum_classes,
    unpack_rows,
)
from lightprobe.images import class_name, photo_name, read_file
from lightprobe.ridge import Keys, RidgeStatistics, identical_rows, joined_groups

Arrays = dict[str, NDArray[Any]]


def digest_keys(digests: NDArray[np.uint8]) -> Keys:
    """Keys (n,) by which photos are dealt, from their digests (n, 20): they follow the photos' bytes."""
    return np.ascontiguousarray(digests[:, :8]).view("<u8")[:, 0].astype(np.uint64)


@dataclass(frozen=True, eq=False)
class TrainingIndex:
    """Which photos a model was trained on.

    Attributes
    ----------
    names : tuple of str, length n
    digests : ndarray of uint8, shape (n, 20)
        Of the photos' bytes: their keys in the feature cache.
    labels : ndarray of int64, shape (n,)
        Index into the model's classes.
    """

    names: tuple[str, ...]
    digests: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def keys(self) -> list[bytes]:
        """Digests as keys of the feature cache."""
        return [row.tobytes() for row in self.digests]

    def find(self, asked: Sequence[str | Path]) -> NDArray[np.intp]:
        """Find photos by name, by a path that ends with the name, or by the bytes of the file at that path.

        Names count however they are spelled (see `photo_name`), and every copy of a photo is found with it.

        Raises
        ------
        DataError
            If one is not there, or its name fits several.
        """
        places = {photo_name(name): place for place, name in enumerate(self.names)}
        copies: dict[bytes, list[int]] = defaultdict(list)
        for place, key in enumerate(self.keys()):
            copies[key].append(place)
        found: dict[int, None] = {}
        for item in asked:
            for place in self._find(str(item), places):
                found.update(dict.fromkeys(copies[self.digests[place].tobytes()]))
        return np.array(sorted(found), dtype=np.intp)

    def corrections(self, relabel: Mapping[str, str]) -> dict[int, tuple[str, str]]:
        """Return the new class, and the path that was given, of each photo that is to have another label.

        Raises
        ------
        DataError
            If one is not there, or two labels are meant for one photo.
        """
        found: dict[int, tuple[str, str]] = {}
        for path, label in relabel.items():
            for place in self.find([path]).tolist():
                known, other = found.setdefault(place, (class_name(label), path))
                if known != class_name(label):
                    raise DataError(
                        f"{path} is to be {label}, and {other}, the same photo, {known}: "
                        "give one label for both."
                    )
        return found

    def _find(self, path: str, places: dict[str, int]) -> list[int]:
        asked = photo_name(path)
        if asked in places:
            return [places[asked]]
        try:
            digest = np.frombuffer(image_digest(read_file(path)), np.uint8)
            same = np.flatnonzero((self.digests == digest).all(axis=1)).tolist()
        except ImageError:
            same = []
        if same:
            return list(same)
        fitting = [place for name, place in places.items() if f"/{asked}".endswith(f"/{name}")]
        fitting = fitting or [place for name, place in places.items() if name.endswith(f"/{asked}")]
        if not fitting:
            raise DataError(
                f"{asked} is not among the {len(self)} training photos: "
                "give a name as in config.json's `paths`, or the very file."
            )
        if len(fitting) > 1:
            some = ", ".join(self.names[place] for place in fitting[:3])
            raise DataError(f"{asked} fits {len(fitting)} training photos ({some}): give more of its path.")
        return fitting


@dataclass(frozen=True, eq=False)
class TrainingRows(TrainingIndex):
    """The training set as the head saw it.

    Attributes
    ----------
    groups : ndarray of str, shape (n,), or None
    rows : ndarray, shape (n, n_features)
        Encoded features: the very array that an exact optical head predicts with.
    """

    groups: NDArray[np.str_] | None
    rows: NDArray[Any]

    def units(self) -> NDArray[np.intp]:
        """Return a number (n,) that photos share which are left out together: copies of a row, groups."""
        copies = identical_rows(self.rows)
        return copies if self.groups is None else joined_groups(self.groups, copies)

    def select(self, which: NDArray[np.intp]) -> Self:
        """Return some of the photos, by index."""
        return replace(
            self,
            names=tuple(self.names[i] for i in which),
            digests=self.digests[which],
            labels=self.labels[which],
            groups=None if self.groups is None else self.groups[which],
            rows=self.rows[which],
        )

    def to_arrays(self, head: FittedHead) -> tuple[Arrays, dict[str, Any]]:
        """Take it apart; the rows stay away where the head holds them already."""
        arrays: Arrays = {"digests": self.digests, "labels": self.labels}
        if not isinstance(head.decision, Exact):
            arrays |= pack_rows("rows", self.rows)
        return arrays, {"groups": None if self.groups is None else self.groups.tolist()}

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        config: Mapping[str, Any],
        names: Sequence[str],
        head: FittedHead,
    ) -> Self:
        """Build it again.

        Raises
        ------
        KeyError, ValueError
            Something is missing, or lengths differ.
        """
        n, decision = len(head.loo_scores), head.decision
        if isinstance(decision, Exact):
            rows = decision.rows
        else:
            rows = unpack_rows(arrays, "rows", (n, decision.n_features), decision.dtype)
        groups = None if config["groups"] is None else np.array(config["groups"])
        record = cls(tuple(names), arrays["digests"], arrays["labels"], groups, rows)
        parts = (names, record.digests, record.labels, rows, groups)
        lengths = {len(part) for part in parts if part is not None}
        if lengths != {n}:
            raise ValueError(f"what is kept of the training photos has lengths {sorted(lengths)}")
        return record


@dataclass(frozen=True, eq=False)
class TrainingSums(TrainingIndex):
    """Sums over the training set, from which photos can be taken out that can be seen again.

    Attributes
    ----------
    sums : RidgeStatistics
        Targets are 1 for a photo's own class and else 0: see `sum_classes`.
    """

    sums: RidgeStatistics

    @classmethod
    def of(cls, head: FittedHead, rows: TrainingRows, options: HeadOptions) -> Self:
        """Sum over the photos that a head of finite dimension was fitted to.

        Raises
        ------
        ResourceError
            The sums would take more memory than there is, or was allowed.
        """
        decision = finite(head)
        require_room(decision.coef.shape[1], options)
        sums = sum_classes(decision, rows.rows, rows.labels, head.n_classes, options.solve_device)
        return cls(rows.names, rows.digests, rows.labels, sums)

    def to_arrays(self) -> Arrays:
        """Take it apart."""
        return {"digests": self.digests, "labels": self.labels, **self.sums.to_arrays()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], names: Sequence[str], head: FittedHead) -> Self:
        """Build it again.

        Raises
        ------
        KeyError, ValueError
            Something is missing, or lengths differ.
        """
        n = len(names)
        for name, shape in {"digests": (n, 20), "labels": (n,)}.items():
            if arrays[name].shape != shape:
                raise ValueError(f"sums.{name} has shape {arrays[name].shape}, not {shape}")
        sums = RidgeStatistics.from_arrays(arrays, n, finite(head).coef.shape[1], head.n_classes)
        return cls(tuple(names), arrays["digests"], arrays["labels"], sums)
