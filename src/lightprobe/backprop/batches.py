"""What training runs over: inputs in memory, in batches, in an order that only the epoch decides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler


class Batch(NamedTuple):
    """Inputs (n, ...), labels (n,) and, of pictures that were squashed to squares, width over height (n,)."""

    inputs: Tensor
    labels: Tensor
    aspects: Tensor


@dataclass(frozen=True, eq=False)
class Samples(Dataset[Batch]):
    """Inputs in memory with their labels; fetched by whole batches.

    Parameters
    ----------
    inputs : Tensor, shape (n, 3, s, s) of uint8 or (n, d) of float32
    labels : Tensor of int64, shape (n,)
    aspects : Tensor, shape (n,)
        Width over height of what the inputs show.
    """

    inputs: Tensor
    labels: Tensor
    aspects: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return a batch; torch's DataLoader asks for whole ones."""
        which = torch.as_tensor(indices)
        return Batch(self.inputs[which], self.labels[which], self.aspects[which])

    def select(self, which: Tensor) -> "Samples":
        """Return the samples of some indices."""
        return Samples(self.inputs[which], self.labels[which], self.aspects[which])


class EpochOrder(Sampler[int]):
    """A new order each epoch, that depends on nothing but the seed and the epoch."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed, self.epoch = n, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; trainers do."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
        return iter(torch.randperm(self.n, generator=generator).tolist())

    def __len__(self) -> int:
        return self.n


def mixed_seed(seed: int, count: int) -> int:
    """Make one seed of a seed and a count of epochs or steps."""
    return (seed * 1_000_003 + count) % 2**63


def training_loader(samples: Samples, batch_size: int, seed: int) -> DataLoader[Batch]:
    """Batches in a new order each epoch; a last one that is not full is left out where there are others."""
    order = EpochOrder(len(samples), seed)
    full = len(samples) >= batch_size
    return DataLoader(samples, batch_size, sampler=order, collate_fn=_as_it_is, drop_last=full)


def plain_loader(samples: Samples, batch_size: int) -> DataLoader[Batch]:
    """Batches in order."""
    return DataLoader(samples, batch_size, collate_fn=_as_it_is)


def _as_it_is(batch: Any) -> Any:
    """Pass on what `__getitems__` has made one already."""
    return batch
