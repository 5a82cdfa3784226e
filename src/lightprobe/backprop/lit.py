"""What Lightning is told: one step, one validation, and what is kept and written after each epoch."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from tqdm import tqdm

from lightprobe.backprop.batches import Batch, mixed_seed
from lightprobe.backprop.recipe import Recipe
from lightprobe.backprop.schedule import make_optimizer, rate_factor

Row = dict[str, Any]
Groups = Iterator[tuple[float, list[nn.Parameter]]]


class Learner(Protocol):
    """What a method trains: a network, what learns in it how fast, and its way with batches.

    Attributes
    ----------
    network : Module
        From inputs to scores (n, n_classes).
    """

    network: nn.Module

    def start_epoch(self, epoch: int) -> int | None:
        """Prepare an epoch, counted from 0; return the side of its images, None where there are none."""

    def view(self, batch: Batch) -> Tensor:
        """Return the inputs of a training batch, augmented."""

    def loader(self, epoch: int) -> DataLoader[Batch]:
        """Return what an epoch trains on."""

    def groups(self) -> Groups:
        """Yield (learning rate, parameters)."""


class LitClassifier(lightning.LightningModule):
    """Softmax cross-entropy of a learner's network, with label smoothing and class weights."""

    def __init__(self, learner: Learner, recipe: Recipe, seed: int, class_weights: Tensor | None) -> None:
        super().__init__()
        self.learner, self.recipe, self.seed = learner, recipe, seed
        self.network = learner.network
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.image_size: int | None = None

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return what this epoch trains on."""
        return self.learner.loader(self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Let the learner freeze or thaw, and its modules know what they are in."""
        self.image_size = self.learner.start_epoch(self.current_epoch)
        self.network.train()

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the loss of a batch; what is random in it depends on the seed, the step and the process."""
        torch.manual_seed(
            mixed_seed(self.seed, self.global_step * self.trainer.world_size + self.global_rank)
        )
        scores = self.network(self.learner.view(batch))
        weights: Any = self.class_weights
        loss = functional.cross_entropy(
            scores.float(), batch.labels, weight=weights, label_smoothing=self.recipe.label_smoothing
        )
        self._note("train", loss, scores, batch.labels)
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Note loss and accuracy of validation photos, without smoothing or weights."""
        scores = self.network(batch.inputs)
        self._note("val", functional.cross_entropy(scores.float(), batch.labels), scores, batch.labels)

    def configure_optimizers(self) -> Any:
        """Return the optimizer, and the schedule that moves at each step."""
        optimizer = make_optimizer(self.learner.groups(), self.recipe)
        steps = max(1, int(self.trainer.estimated_stepping_batches) // max(1, self.trainer.max_epochs or 1))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(self.recipe, step, steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _note(self, split: str, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        accuracy = (scores.argmax(1) == labels).float().mean()
        values = {f"{split}_loss": loss.detach(), f"{split}_accuracy": accuracy}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(labels), sync_dist=True)


class Interrupted(Exception):  # noqa: N818  a signal, not an error
    """Ctrl-C came: the epoch is left where it is."""


class Watch(Callback):
    """After each epoch: one row, the best weights so far, a checkpoint, and whether to stop.

    Better is a higher validation accuracy or, at the same one, a lower validation loss.

    Parameters
    ----------
    recipe : Recipe
        Its patience.
    test : DataLoader or None
        Test photos, looked at for the curves only; the clock stands still meanwhile.
    checkpoint : Path or None
        Where to write one.
    on_epoch : callable
        Gets each row.

    Attributes
    ----------
    rows : list of dict
    best : dict
        Weights of the best epoch; `best_epoch` counts from 1.
    seconds, watched_seconds : float
        Spent on training and validation, and on test photos.
    """

    def __init__(
        self,
        recipe: Recipe,
        test: DataLoader[Batch] | None,
        checkpoint: Path | None,
        on_epoch: Callable[[Row], None],
    ) -> None:
        self.recipe, self.test, self.checkpoint, self.on_epoch = recipe, test, checkpoint, on_epoch
        self.rows: list[Row] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.seconds = self.watched_seconds = 0.0
        self.interrupted = False
        self._clock = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        del trainer, pl_module
        self._clock = time.perf_counter()

    def on_train_batch_end(self, *_args: Any, **_kwargs: Any) -> None:
        """Leave where Ctrl-C came."""
        if self.interrupted:
            raise Interrupted

    def on_validation_batch_end(self, *_args: Any, **_kwargs: Any) -> None:
        """Leave where Ctrl-C came."""
        if self.interrupted:
            raise Interrupted

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the row, keep what is best, and stop where patience ends."""
        assert isinstance(pl_module, LitClassifier)
        self.seconds += time.perf_counter() - self._clock
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row: Row = {
            "epoch": trainer.current_epoch + 1,
            "image_size": pl_module.image_size,
            **{f"{split}_{what}": metrics[f"{split}_{what}"] for split in ("train", "val") for what in _WHAT},
            **dict.fromkeys(f"test_{what}" for what in _WHAT),
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": self.seconds,
        }
        if self.test is not None:
            start = time.perf_counter()
            row |= _tested(trainer, pl_module, self.test)
            self.watched_seconds += time.perf_counter() - start
        self.rows.append(row)
        best = self.rows[self.best_epoch - 1] if self.best_epoch else None
        if best is None or _rank(row) > _rank(best):
            self.best_epoch = row["epoch"]
            # Copies, onto the CPU: training goes on in the originals.
            weights = pl_module.network.state_dict()
            self.best = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights.items()}
        if self.checkpoint is not None:
            partial = self.checkpoint.with_name(f".{self.checkpoint.name}.partial")
            trainer.save_checkpoint(partial)
            if trainer.is_global_zero:
                partial.replace(self.checkpoint)
        self.on_epoch(row)
        if self.recipe.patience is not None and row["epoch"] - self.best_epoch >= self.recipe.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {name: getattr(self, name) for name in _KEPT}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name in _KEPT:
            setattr(self, name, state_dict[name])


class Progress(Callback):
    """A bar on stderr: steps done, and what the last epoch brought."""

    def __init__(self) -> None:
        self._bar: Any = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw the bar."""
        del pl_module
        total = int(trainer.estimated_stepping_batches)
        self._bar = tqdm(total=total, initial=trainer.global_step, unit="batch", desc="Training")

    def on_train_batch_end(self, *_args: Any, **_kwargs: Any) -> None:
        """Move it."""
        self._bar.update()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Say how good the network is."""
        del pl_module
        accuracy = float(trainer.callback_metrics["val_accuracy"])
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._bar.set_postfix_str(f"{epoch}, validation {accuracy:.1%}")

    def teardown(self, *_args: Any, **_kwargs: Any) -> None:
        """Leave it."""
        if self._bar is not None:
            self._bar.close()


_WHAT = ("loss", "accuracy")
_KEPT = ("rows", "best", "best_epoch", "seconds", "watched_seconds")


def _rank(row: Row) -> tuple[float, float]:
    return row["val_accuracy"], -row["val_loss"]


@torch.no_grad()
def _tested(trainer: lightning.Trainer, module: LitClassifier, batches: DataLoader[Batch]) -> Row:
    module.network.eval()
    loss, right, n = 0.0, 0, 0
    for batch in batches:
        labels = batch.labels.to(module.device)
        with trainer.precision_plugin.forward_context():
            scores = module.network(batch.inputs.to(module.device)).float()
        loss += float(functional.cross_entropy(scores, labels, reduction="sum"))
        right += int((scores.argmax(1) == labels).sum())
        n += len(labels)
    module.network.train()
    return {"test_loss": loss / n, "test_accuracy": right / n}
