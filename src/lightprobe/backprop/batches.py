"""What training runs over: inputs in memory, in batches, in an order that only the epoch decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, default_convert

from lightprobe.backprop.setup import Split
from lightprobe.images import ImageSet, Skipped, require_every_class


@dataclass(frozen=True, eq=False)
class Samples(Dataset["Samples"]):
    """Inputs in memory with their labels; a batch of samples is samples too.

    Parameters
    ----------
    inputs : Tensor, shape (n, 3, s, s) of uint8 or (n, d) of float32
    labels : Tensor of int64, shape (n,)
    aspects : Tensor, shape (n,)
        Width over height of pictures that were squashed to squares; ones for other inputs.
    """

    inputs: Tensor
    labels: Tensor
    aspects: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, indices: Sequence[int]) -> "Samples":
        """Return a batch; torch's DataLoader asks for whole ones."""
        return self.select(torch.as_tensor(indices))

    def select(self, which: Tensor) -> "Samples":
        """Return the samples of some indices."""
        return Samples(self.inputs[which], self.labels[which], self.aspects[which])

    def to(self, device: torch.device) -> "Samples":
        """Return them on a device."""
        return Samples(self.inputs.to(device), self.labels.to(device), self.aspects.to(device))


@dataclass(frozen=True, eq=False)
class Loaded:
    """Photos as samples.

    Attributes
    ----------
    samples : Samples
    kept : ndarray of int64, shape (n,)
        Which photos of the image set they are.
    skipped : tuple of Skipped
        Photos that could not be decoded.
    seconds : float
        What decoding, and looking, cost.
    """

    samples: Samples
    kept: NDArray[np.int64]
    skipped: tuple[Skipped, ...]
    seconds: float


@dataclass(frozen=True, eq=False)
class Data:
    """A split as samples."""

    train: Samples
    validation: Samples
    test: Samples | None
    n_classes: int
    skipped: tuple[Skipped, ...]
    seconds: float


def load_data(split: Split, load: Callable[[ImageSet, bool], Loaded]) -> Data:
    """Load the photos of a split; `load` is told whether they are to train on.

    Raises
    ------
    DataError
        If a class has no training photo that can be decoded, or `load` says so.
    """
    train = load(split.train, True)
    require_every_class(split.train.select(train.kept), "training photos that can be decoded")
    validation = load(split.validation, False)
    return Data(
        train.samples,
        validation.samples,
        None if split.test is None else load(split.test, False).samples,
        len(split.train.classes),
        train.skipped + validation.skipped + split.train.skipped,
        train.seconds + validation.seconds,
    )


def mixed_seed(seed: int, count: int) -> int:
    """Make one seed of a seed and a count of epochs or steps."""
    return (seed * 1_000_003 + count) % 2**63


def training_loader(
    samples: Samples, batch_size: int, seed: int, *, processes: int = 1, rank: int = 0
) -> DataLoader[Samples]:
    """Batches in a new order each epoch; a last one that is not full is left out where there are others.

    Each of several processes gets its share of the samples.
    """
    order: DistributedSampler[Samples]
    order = DistributedSampler(samples, processes, rank, seed=mixed_seed(seed, 0))
    full = len(order) >= batch_size
    return DataLoader(samples, batch_size, sampler=order, collate_fn=default_convert, drop_last=full)


def plain_loader(samples: Samples, batch_size: int) -> DataLoader[Samples]:
    """Batches in order."""
    return DataLoader(samples, batch_size, collate_fn=default_convert)
