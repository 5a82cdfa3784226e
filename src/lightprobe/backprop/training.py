"""A training from its first epoch to its best weights; stopped by Ctrl-C, resumed as if it had not been."""

import logging
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from lightprobe.backbones import resolve_precision
from lightprobe.backprop.batches import Data, Samples, plain_loader
from lightprobe.backprop.recipe import Recipe
from lightprobe.backprop.setup import Setup, Trained
from lightprobe.backprop.trainables import Trainable
from lightprobe.devices import resolve_device
from lightprobe.errors import ModelFileError

if TYPE_CHECKING:
    from lightprobe.backprop.lit_module import History

Row = dict[str, Any]
# From a recipe with a learning rate, and samples, to what is trained with them.
T = TypeVar("T", bound=Trainable)
Make = Callable[[Recipe, Samples], T]
_PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
# Learning rates tried by "auto".
TRIED_RATES = (0.01, 0.03, 0.1, 0.3, 1.0)


def train(
    make: Make[T],
    recipe: Recipe,
    data: Data,
    setup: Setup,
    *,
    tried_epochs: int,
    tried_samples: int | None = None,
) -> tuple[T, Trained]:
    """Train, looking for a learning rate first where the recipe has none.

    Parameters
    ----------
    tried_epochs, tried_samples : int
        How long, and on how many samples, a learning rate is tried; on all without the latter.

    Returns
    -------
    trainable : Trainable
        Its network holds the weights of its best epoch.
    trained : Trained

    Raises
    ------
    ModelFileError
        The checkpoint cannot be resumed from: it is damaged or of another training.
    KeyboardInterrupt
        Ctrl-C before the first epoch was over.
    """
    start, seconds = time.perf_counter(), {"features": data.seconds, "search": 0.0}
    if recipe.lr == "auto":
        drawn = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(setup.runtime.seed))
        few = data.train if tried_samples is None else data.train.select(drawn[:tried_samples])
        lr = find_rate(make, recipe, replace(data, train=few, test=None), setup, tried_epochs)
        recipe = replace(recipe, lr=lr)
        seconds["search"] = time.perf_counter() - start
    trainable = make(recipe, data.train)
    history, best_epoch = _run(trainable, data, setup)
    seconds |= {"fit": history.seconds, "to_99": seconds_to(history.rows, 0.99, data.seconds)}
    return trainable, Trained(
        history.rows,
        best_epoch,
        history.rows[best_epoch - 1]["val_accuracy"],
        float(recipe.lr),
        history.interrupted,
        len(data.train),
        len(data.validation),
        seconds,
        history.watched_seconds,
        data.skipped,
    )


def find_rate(make: Make[T], recipe: Recipe, data: Data, setup: Setup, epochs: int) -> float:
    """Train briefly with each of a few learning rates; return the best on validation photos."""
    quiet = replace(setup.runtime, progress=False)
    alone = Setup(quiet, setup.devices, setup.num_nodes, setup.strategy)
    scores = {}
    for lr in TRIED_RATES:
        brief = replace(recipe, lr=lr, epochs=epochs, sizes=(), freeze_epochs=0, patience=None)
        history, _ = _run(make(brief, data.train), data, alone)
        if history.interrupted:
            raise KeyboardInterrupt
        scores[lr] = max((row["val_accuracy"], -row["val_loss"]) for row in history.rows)
    return max(scores, key=lambda lr: scores[lr])


def seconds_to(rows: list[Row], share: float, before: float = 0.0) -> float:
    """Seconds until validation first reached a share of its best accuracy; `before` went before epochs."""
    goal = share * max(row["val_accuracy"] for row in rows)
    return before + next(float(row["seconds"]) for row in rows if row["val_accuracy"] >= goal)


def _run(trainable: Trainable, data: Data, setup: Setup) -> tuple["History", int]:
    """Run Lightning's trainer; return the epochs' rows, and which epoch's weights the network has now."""
    import lightning
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

    from lightprobe.backprop import lit_module as lit

    recipe, runtime = trainable.recipe, setup.runtime
    device = torch.device(resolve_device(runtime.device))
    # int8 is for looking only.
    precision = resolve_precision("auto" if runtime.precision == "int8" else runtime.precision, str(device))
    trainable.network.to(memory_format=torch.channels_last)
    weights = _class_weights(recipe.class_weights, data.train.labels, data.n_classes)
    module = lit.LitClassifier(trainable, len(data.validation), runtime.seed, weights)
    history = lit.History()
    batch_size = max(recipe.batch_size, 64)  # of validation, which has no gradients to remember
    watched = [samples for samples in (data.validation, data.test) if samples is not None]
    with _quiet(), _folder(setup.checkpoint) as name:
        folder = Path(name)
        last, best = folder / "last.ckpt", lit.BestWeights(folder)
        callbacks = [history, best]
        if setup.checkpoint is not None:
            callbacks.append(ModelCheckpoint(folder, last.stem, enable_version_counter=False))
        if setup.on_epoch is not None:
            callbacks.append(lit.Announcement(history, setup.on_epoch))
        if recipe.patience is not None:
            callbacks.append(EarlyStopping(lit.SCORE, mode="max", patience=recipe.patience))
        if runtime.progress:
            callbacks.append(lit.Progress())
        trainer = lightning.Trainer(
            max_epochs=recipe.epochs,
            accelerator="gpu" if device.type == "cuda" else device.type,
            # One GPU by its index, or a number of devices where several work together.
            devices=[device.index] if device.index is not None and setup.devices == 1 else setup.devices,
            num_nodes=setup.num_nodes,
            strategy=setup.strategy,
            precision=_PRECISIONS[precision],
            gradient_clip_val=recipe.clip,
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=runtime.progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=int(bool(recipe.sizes)),
            default_root_dir=folder,
        )
        resumed = str(last) if setup.resume and last.is_file() else None
        loaders = [plain_loader(samples, batch_size) for samples in watched]
        with _stop_on_ctrl_c(history), suppress(lit.Interrupted):
            try:
                trainer.fit(module, val_dataloaders=loaders, ckpt_path=resumed, weights_only=True)
            except SystemExit:  # Lightning's answer to a second Ctrl-C
                raise KeyboardInterrupt from None
            except Exception as error:  # torch and Lightning raise whatever they like at a foreign state
                if resumed is None or history.started:
                    raise
                said = (str(error).splitlines() or [type(error).__name__])[0]
                raise ModelFileError(
                    f"{resumed} cannot be resumed from ({said}): give the same data "
                    "and options as before, or leave `resume` out."
                ) from error
        if not history.rows:
            raise KeyboardInterrupt
        # On every machine: only the first has it on disk.
        kept: Any = torch.load(best.best_model_path, weights_only=True) if trainer.is_global_zero else None
        kept = trainer.strategy.broadcast(kept)
    module.cpu().load_state_dict(kept["state_dict"])
    trainable.network.eval().requires_grad_(False)
    return history, kept["epoch"] + 1


def _class_weights(weighting: str, labels: Tensor, n_classes: int) -> Tensor | None:
    """Return n / (k n_c), as scikit-learn's `balanced` does; a class may be missing where a rate is tried."""
    if weighting == "none":
        return None
    counts = labels.bincount(minlength=n_classes).clamp(min=1).double()
    return (len(labels) / (n_classes * counts)).float()


def _folder(checkpoint: str | Path | None) -> AbstractContextManager[str | Path]:
    """Where states and weights lie: a folder that stays, or one for this training alone."""
    return tempfile.TemporaryDirectory() if checkpoint is None else nullcontext(checkpoint)


@contextmanager
def _stop_on_ctrl_c(history: "History") -> Iterator[None]:
    """End training at the first Ctrl-C with the best weights so far; the second one is Python's again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        history.interrupted = True
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
