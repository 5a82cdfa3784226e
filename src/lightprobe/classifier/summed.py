"""What a model keeps that keeps sums: who was in them, and the sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from lightprobe.classifier.kept import Kept, Roster, Tensors
from lightprobe.errors import ResourceError
from lightprobe.head import OpticalRidge, class_sums
from lightprobe.ridge import RidgeStatistics
from lightprobe.ridge.plan import primal_bytes


@dataclass(frozen=True)
class Summed(Roster):
    """Sums over the training set, from which photos can be taken out that can be seen again.

    Attributes
    ----------
    sums : RidgeStatistics
        Targets are 1 for a photo's own class and else 0: see `class_sums`.
    """

    sums: RidgeStatistics

    @classmethod
    def of(cls, head: OpticalRidge, kept: Kept) -> Self:
        """Sum over the photos that a head of finite dimension was fitted to.

        Raises
        ------
        ResourceError
            The sums would take more memory than there is, or was allowed.
        """
        width, budget = head.n_components_ or head.n_features_in_, head.memory_budget()
        if (needed := primal_bytes(width)) > budget:
            raise ResourceError(
                f"The sums of {width} features take {needed / 1e9:.2g} GB and {budget / 1e9:.2g} GB are "
                "allowed: average over positions (--pool avg), or take fewer random features "
                "(--components N)."
            )
        sums = class_sums(head, kept.rows, kept.labels, len(head.classes_))
        return cls(kept.names, kept.digests, kept.labels, sums)

    def state_of(self) -> Tensors:
        """Take it apart; of the symmetric matrix the rows from the diagonal on."""
        gram = self.sums.gram
        arrays = {
            "digests": self.digests,
            "labels": self.labels,
            "feature_sum": self.sums.feature_sum,
            "target_sum": self.sums.target_sum,
            "moment": self.sums.moment,
            "gram": np.concatenate([row[place:] for place, row in enumerate(gram)]),
        }
        return {f"sums.{name}": torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], names: Sequence[str], head: OpticalRidge) -> Self:
        """Build it again.

        Raises
        ------
        KeyError, ValueError
            Something is missing, or lengths differ.
        """
        n, m, c = len(names), head.n_components_ or head.n_features_in_, len(head.classes_)
        shapes = {
            "digests": (n, 20),
            "labels": (n,),
            "feature_sum": (m,),
            "target_sum": (c,),
            "moment": (m, c),
            "gram": (m * (m + 1) // 2,),
        }
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"sums.{name} has shape {arrays[name].shape}, not {shape}")
        gram, start = np.empty((m, m)), 0
        for place in range(m):
            gram[place, place:] = gram[place:, place] = arrays["gram"][start : start + m - place]
            start += m - place
        named = {name: arrays[name] for name in ("feature_sum", "target_sum", "moment")}
        sums = RidgeStatistics(n_rows=n, weight=float(n), gram=gram, **named)
        return cls(tuple(names), arrays["digests"], arrays["labels"], sums)
