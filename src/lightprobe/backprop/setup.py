"""What a training is given and what comes of it, without what trains: nothing here needs torch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.images import ImageSet, Skipped
from lightprobe.photo_model import Network
from lightprobe.runtime import Runtime

Row = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """Training and validation photos, and test photos where they are to be watched."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet | None


@dataclass(frozen=True)
class Setup:
    """Where a training runs, and what is kept of it.

    Parameters
    ----------
    runtime : Runtime
        Its device and precision: below fp32 the arithmetic is mixed.
    devices, num_nodes : int
        How many devices, on how many machines.
    strategy : str
        How they share the work, as Lightning names it.
    checkpoint : path, optional
        A folder for the state after each epoch.
    resume : bool
        Go on from the state that lies there, if one does.
    on_epoch : callable, optional
        Gets each epoch's row.
    """

    runtime: Runtime
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    checkpoint: str | Path | None = None
    resume: bool = False
    on_epoch: Callable[[Row], None] | None = None


@dataclass(frozen=True, eq=False)
class Trained:
    """What is noted of a training.

    Attributes
    ----------
    history : list of dict
        One row an epoch.
    best_epoch : int
        Whose weights were kept, counted from 1.
    val_accuracy : float
        In that epoch.
    lr : float
        Learning rate of the head.
    interrupted : bool
        Whether Ctrl-C ended it.
    n_train, n_validation : int
    seconds : dict of str to float
        `features`, `search`, `fit`, and `to_99`: until validation first reached 99 % of its best.
    watched_seconds : float
        What looking at test photos took.
    skipped : tuple of Skipped
        Training and validation photos that could not be decoded.
    """

    history: list[Row]
    best_epoch: int
    val_accuracy: float
    lr: float
    interrupted: bool
    n_train: int
    n_validation: int
    seconds: dict[str, float]
    watched_seconds: float
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """A network up to its cut, a head W f + b on it, and what is noted of their training."""

    network: Network
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    trained: Trained
