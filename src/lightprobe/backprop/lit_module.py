"""What Lightning is told: a step, a validation, optimizer and schedule, and a row after each epoch."""

import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint, TQDMProgressBar
from torch import Tensor
from torch.nn import functional
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader

from lightprobe.backprop.batches import Samples, mixed_seed, training_loader
from lightprobe.backprop.recipe import Recipe
from lightprobe.backprop.trainables import Trainable
from lightprobe.bars import tqdm

Row = dict[str, Any]

# What chooses the epoch: the accuracy on validation photos or, where it is the same, the smaller loss.
SCORE = "val_score"
# Validation and test photos, as Lightning counts its loaders.
_SPLITS = ("val", "test")


class LitClassifier(lightning.LightningModule):
    """Softmax cross-entropy of a network that is trained, with label smoothing and class weights."""

    def __init__(
        self, trainable: Trainable, n_validation: int, seed: int, class_weights: Tensor | None
    ) -> None:
        super().__init__()
        self.trainable, self.recipe, self.seed = trainable, trainable.recipe, seed
        self.network, self.n_validation = trainable.network, n_validation
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.image_size: int | None = None

    def train_dataloader(self) -> DataLoader[Samples]:
        """Return what this epoch trains on."""
        samples, trainer = self.trainable.samples_at(self.current_epoch), self.trainer
        return training_loader(
            samples, self.recipe.batch_size, self.seed, processes=trainer.world_size, rank=self.global_rank
        )

    def on_train_start(self) -> None:
        """Leave a training as it is that had come to its end before it was resumed."""
        for stop in self.trainer.early_stopping_callbacks:
            stop.patience = self.recipe.patience or 0  # the checkpoint has that of the run which was stopped
            self.trainer.should_stop = stop.wait_count >= stop.patience

    def on_train_epoch_start(self) -> None:
        """Freeze or thaw, and let modules know what they are in."""
        self.image_size = self.trainable.start_epoch(self.current_epoch)
        self.network.train()

    def training_step(self, batch: Samples, _index: int) -> Tensor:
        """Return the loss of a batch; what is random in it depends on the seed, the step and the process."""
        torch.manual_seed(
            mixed_seed(self.seed, self.global_step * self.trainer.world_size + self.global_rank)
        )
        scores = self.network(self.trainable.view(batch))
        weights: Any = self.class_weights
        loss = functional.cross_entropy(
            scores.float(), batch.labels, weight=weights, label_smoothing=self.recipe.label_smoothing
        )
        self._note("train", loss, scores, batch.labels)
        return loss

    def validation_step(self, batch: Samples, _index: int, dataloader_idx: int = 0) -> None:
        """Note loss and accuracy of validation, or test, photos, without smoothing or weights."""
        scores = self.network(batch.inputs)
        loss = functional.cross_entropy(scores.float(), batch.labels)
        self._note(_SPLITS[dataloader_idx], loss, scores, batch.labels)

    def on_validation_epoch_end(self) -> None:
        """Note the score: accuracies differ by 1/n at least, and what is added for the loss is less."""
        noted = self.trainer.callback_metrics
        # Doubles, which not every device has: in single precision small losses would all be one.
        accuracy, loss = (noted[f"val_{what}"].cpu().double() for what in ("accuracy", "loss"))
        self.log(SCORE, accuracy + torch.nan_to_num(1 / (1 + loss)) / self.n_validation)

    def configure_optimizers(self) -> Any:
        """Return the optimizer, and the schedule that moves at each step."""
        optimizer = make_optimizer(self.trainable, self.recipe)
        steps = max(1, int(self.trainer.estimated_stepping_batches) // self.recipe.epochs)
        factors = rate_factors(self.recipe, steps)
        # Its place is the step alone: a training can be resumed that is longer than it was.
        schedule = lr_scheduler.LambdaLR(optimizer, lambda step: factors[min(step, len(factors) - 1)])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _note(self, split: str, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        accuracy = (scores.argmax(1) == labels).float().mean()
        self.log_dict(
            {f"{split}_loss": loss.detach(), f"{split}_accuracy": accuracy},
            on_step=False,
            on_epoch=True,
            prog_bar=split != "test",
            batch_size=len(labels),
            sync_dist=True,
            add_dataloader_idx=False,
        )


class Interrupted(Exception):  # noqa: N818  a signal, not an error
    """Ctrl-C came: the epoch is left where it is."""


class History(Callback):
    """One row an epoch; and the way out that Ctrl-C asks for.

    Attributes
    ----------
    rows : list of dict
    seconds, watched_seconds : float
        Spent on training and validation, and on test photos: the clock stands still meanwhile.
    started : bool
        Whether training began, or went on.
    interrupted : bool
        Set it to leave after the next batch.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.seconds = self.watched_seconds = 0.0
        self.started = self.interrupted = False
        self._began = self._looked = 0.0

    def on_train_start(self, *_args: Any) -> None:
        """Note that the state, if there was one, fits."""
        self.started = True

    def on_train_epoch_start(self, *_args: Any) -> None:
        """Start the clock."""
        self._began, self._looked = time.perf_counter(), 0.0

    def on_train_batch_end(self, *_args: Any) -> None:
        """Leave where Ctrl-C came."""
        if self.interrupted:
            raise Interrupted

    def on_validation_batch_start(
        self, _trainer: Any, _module: Any, _batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Note when test photos come."""
        if _SPLITS[dataloader_idx] == "test" and batch_idx == 0:
            self._looked = time.perf_counter()

    def on_validation_batch_end(self, *_args: Any) -> None:
        """Leave where Ctrl-C came."""
        self.on_train_batch_end()

    def on_validation_end(self, *_args: Any) -> None:
        """Note what test photos took."""
        self._looked = time.perf_counter() - self._looked if self._looked else 0.0

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add the row."""
        self.watched_seconds += self._looked
        self.seconds += time.perf_counter() - self._began - self._looked
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        names = [f"{split}_{what}" for split in ("train", *_SPLITS) for what in ("loss", "accuracy")]
        self.rows.append(
            {
                "epoch": trainer.current_epoch + 1,
                "image_size": pl_module.image_size,
                **{name: metrics.get(name) for name in names},
                "lr": trainer.optimizers[0].param_groups[0]["lr"],
                "seconds": self.seconds,
            }
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {name: getattr(self, name) for name in ("rows", "seconds", "watched_seconds")}

    def on_load_checkpoint(self, _trainer: Any, _module: Any, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint; ValueError without the rows that led to it."""
        if self.state_key not in checkpoint["callbacks"]:
            raise ValueError("it holds no rows of its epochs")
        vars(self).update(checkpoint["callbacks"][self.state_key])


class Announcement(Checkpoint):
    """Hands each row on, with its state on disk: Lightning calls checkpoints last, in their order."""

    def __init__(self, history: History, on_epoch: Callable[[Row], None]) -> None:
        self.history, self.on_epoch = history, on_epoch

    def on_train_epoch_end(self, *_args: Any) -> None:
        """Hand it on."""
        self.on_epoch(self.history.rows[-1])


class BestWeights(ModelCheckpoint):
    """The weights of the epoch of the best score, in `best.ckpt`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            "best",
            monitor=SCORE,
            mode="max",
            save_weights_only=True,
            enable_version_counter=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint, in the folder where it lies now."""
        path, score = f"{self.dirpath}/best.ckpt", state_dict["best_model_score"]
        if not Path(path).is_file():
            raise ValueError(f"{path}, the weights of its best epoch, is missing")
        here = {"dirpath": self.dirpath, "best_model_path": path, "kth_best_model_path": path}
        super().load_state_dict({**state_dict, **here, "best_k_models": {path: score}})


class Progress(TQDMProgressBar):
    """Lightning's bar, on stderr: a verb's stdout is for its answer; and epochs count from 1."""

    def init_train_tqdm(self) -> tqdm:
        """Draw it."""
        with redirect_stdout(sys.stderr):
            return super().init_train_tqdm()

    def init_validation_tqdm(self) -> tqdm:
        """Draw none for validation."""
        return tqdm(disable=True)

    def on_train_epoch_start(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Say which epoch it is."""
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")


def rate_factors(recipe: Recipe, steps_per_epoch: int) -> list[float]:
    """Return what the learning rate is multiplied by at each step and at the end, by torch's schedules."""
    steps = recipe.epochs * steps_per_epoch
    rise = 0 if recipe.schedule == "one-cycle" else min(round(recipe.warmup * steps_per_epoch), steps - 1)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule: lr_scheduler.LRScheduler
    if recipe.schedule == "one-cycle":
        # From 1/25 and down to 1e-5, as fastai has it; torch divides by zero where there are four steps.
        schedule = lr_scheduler.OneCycleLR(
            optimizer, 1.0, max(steps + 1, 5), pct_start=0.25, final_div_factor=4000, cycle_momentum=False
        )
    elif recipe.schedule == "step":
        schedule = lr_scheduler.StepLR(optimizer, recipe.step_size * steps_per_epoch, recipe.gamma)
    elif recipe.schedule == "cosine":
        schedule = lr_scheduler.CosineAnnealingLR(optimizer, steps - rise)
    else:
        schedule = lr_scheduler.ConstantLR(optimizer, 1.0)
    if rise:
        warm = lr_scheduler.LinearLR(optimizer, 1 / rise, total_iters=rise - 1)
        schedule = lr_scheduler.SequentialLR(optimizer, [warm, schedule], [rise])
    factors = [float(schedule.get_last_lr()[0])]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        factors.append(float(schedule.get_last_lr()[0]))
    return factors


def make_optimizer(trainable: Trainable, recipe: Recipe) -> torch.optim.Optimizer:
    """Make the optimizer of what is trained; biases and norms, of one dimension, do not decay."""
    settings = []
    for lr, parameters in trainable.groups():
        for decay, chosen in (
            (recipe.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            if chosen:
                settings.append({"params": chosen, "lr": lr, "weight_decay": decay})
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(settings)
    return torch.optim.SGD(settings, lr=1.0, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
