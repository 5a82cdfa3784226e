"""A training from its first epoch to its best weights; stopped by Ctrl-C, resumed as if it had not been."""

import logging
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lightprobe.backbones import resolve_device, resolve_precision
from lightprobe.backprop.batches import Samples, plain_loader
from lightprobe.backprop.recipe import Recipe
from lightprobe.errors import MissingExtraError, ModelFileError

if TYPE_CHECKING:
    from lightprobe.backprop.lit import Learner, Watch

Row = dict[str, Any]
CHECKPOINT = "last.ckpt"
_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
# Learning rates tried by "auto", relative to the recipe's own scale.
TRIED_RATES = (0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Machine:
    """Where a training runs.

    Parameters
    ----------
    device, precision : str
        As `create_runner` takes them; below fp32 the arithmetic is mixed.
    devices, num_nodes : int
        How many of them, on how many machines.
    strategy : str
        How they share the work, as Lightning names it.
    """

    device: str = "auto"
    precision: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes
    ----------
    rows : list of dict
        One an epoch.
    best_epoch : int
        Counted from 1.
    seconds : float
        Training and validation.
    watched_seconds : float
        Looking at test photos, for the curves.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    rows: list[Row]
    best_epoch: int
    seconds: float
    watched_seconds: float
    interrupted: bool


def train_network(
    learner: "Learner",
    recipe: Recipe,
    validation: Samples,
    *,
    n_classes: int,
    labels: Tensor,
    machine: Machine,
    random_state: int,
    test: Samples | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    on_epoch: Callable[[Row], None] = lambda _row: None,
    progress: bool = False,
) -> Trained:
    """Train a learner's network, which holds the weights of its best epoch when this returns.

    Parameters
    ----------
    labels : Tensor of int64, shape (n,)
        Of the training photos, for class weights.
    checkpoint : Path, optional
        A folder for the state after each epoch.
    resume : bool
        Go on from the state that lies there, if one does.

    Raises
    ------
    ModelFileError
        The checkpoint cannot be resumed from: it is damaged or of another training.
    KeyboardInterrupt
        Ctrl-C before the first epoch was over.
    """
    lit, lightning = _import()
    trainer_precision, accelerator = _arithmetic(machine)
    batch_size = max(recipe.batch_size, 64)  # of validation, which has no gradients to remember
    file = None if checkpoint is None else checkpoint / CHECKPOINT
    if checkpoint is not None:
        checkpoint.mkdir(parents=True, exist_ok=True)
    watch = lit.Watch(recipe, None if test is None else plain_loader(test, batch_size), file, on_epoch)
    learner.network.to(memory_format=torch.channels_last)
    module = lit.LitClassifier(
        learner, recipe, random_state, _class_weights(recipe.class_weights, labels, n_classes)
    )
    with _quiet(), tempfile.TemporaryDirectory() as root:
        trainer = lightning.Trainer(
            max_epochs=recipe.epochs,
            accelerator=accelerator,
            devices=_devices(machine),
            num_nodes=machine.num_nodes,
            strategy=machine.strategy,
            precision=trainer_precision,
            gradient_clip_val=recipe.clip,
            callbacks=[watch, *([lit.Progress()] if progress else [])],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=int(bool(recipe.sizes)),
            default_root_dir=root,
        )
        resumed = str(file) if resume and file is not None and file.is_file() else None
        with _stop_on_ctrl_c(watch), suppress(lit.Interrupted):
            try:
                trainer.fit(
                    module,
                    val_dataloaders=plain_loader(validation, batch_size),
                    ckpt_path=resumed,
                    weights_only=True,
                )
            except (RuntimeError, KeyError, EOFError, ValueError) as error:
                if resumed is None or trainer.global_step:
                    raise
                raise ModelFileError(
                    f"{resumed} cannot be resumed from ({str(error).splitlines()[0]}): give the same data "
                    "and options as before, or leave --resume out."
                ) from error
    if not watch.best:
        raise KeyboardInterrupt
    learner.network.cpu().load_state_dict(watch.best)
    learner.network.eval().requires_grad_(False)
    return Trained(watch.rows, watch.best_epoch, watch.seconds, watch.watched_seconds, watch.interrupted)


def find_rate(
    make_learner: "Callable[[Recipe], Learner]", recipe: Recipe, validation: Samples, epochs: int, **how: Any
) -> tuple[float, list[Row]]:
    """Train briefly with each of a few learning rates; return the best on validation photos, and all rows.

    Parameters
    ----------
    make_learner : callable
        From a recipe to a fresh learner.
    epochs : int
        Of each trial.
    how
        As `train_network` takes it.
    """
    tried = []
    for lr in TRIED_RATES:
        brief = replace(recipe, lr=lr, epochs=epochs, sizes=(), freeze_epochs=0, patience=None)
        trained = train_network(make_learner(brief), brief, validation, **how)
        if trained.interrupted:
            raise KeyboardInterrupt
        last = trained.rows[trained.best_epoch - 1]
        tried.append({"lr": lr, "val_accuracy": last["val_accuracy"], "val_loss": last["val_loss"]})
    best = max(tried, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    return best["lr"], tried


def seconds_to(rows: list[Row], share: float, before: float = 0.0) -> float:
    """Seconds until validation first reached a share of its best accuracy; `before` went before epochs."""
    goal = share * max(row["val_accuracy"] for row in rows)
    return before + next(float(row["seconds"]) for row in rows if row["val_accuracy"] >= goal)


def _import() -> tuple[Any, Any]:
    try:
        import lightning
    except ImportError as error:
        raise MissingExtraError("lightning", "backprop", "Training by gradients") from error
    from lightprobe.backprop import lit

    return lit, lightning


def _arithmetic(machine: Machine) -> tuple[str, str]:
    device = resolve_device(machine.device)
    # int8 is for looking only.
    name = "auto" if machine.precision == "int8" else machine.precision
    return _PRECISIONS[resolve_precision(name, device)], "gpu" if device.type == "cuda" else device.type


def _devices(machine: Machine) -> int | list[int]:
    """Name one GPU by its index, or count devices where several work together."""
    device = resolve_device(machine.device)
    return [device.index] if device.index is not None and machine.devices == 1 else machine.devices


def _class_weights(weighting: str, labels: Tensor, n_classes: int) -> Tensor | None:
    """Return n / (k n_c), as scikit-learn's `balanced` does."""
    if weighting == "none":
        return None
    counts = np.bincount(labels.numpy(), minlength=n_classes)
    return torch.from_numpy(len(labels) / (n_classes * np.maximum(counts, 1))).float()


@contextmanager
def _stop_on_ctrl_c(watch: "Watch") -> Iterator[None]:
    """End training at the first Ctrl-C with the best weights so far; the second one is Python's again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        watch.interrupted = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's notes on hardware, loggers and workers to itself; what matters is raised."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
