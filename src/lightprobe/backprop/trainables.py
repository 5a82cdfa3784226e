"""What is trained: a network over pictures, or a head over features."""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightprobe.backprop.augment import augment
from lightprobe.backprop.batches import Batch, Samples, training_loader
from lightprobe.backprop.networks import HeadedNetwork
from lightprobe.backprop.pictures import MARGIN, at_side
from lightprobe.backprop.recipe import Recipe


class PictureLearner:
    """A network that is shown another view of each photo in each epoch."""

    def __init__(
        self, network: HeadedNetwork, pictures: Samples, recipe: Recipe, image_size: int, seed: int
    ) -> None:
        self.network: nn.Module = network
        self._headed, self._pictures, self._recipe, self._seed = network, pictures, recipe, seed
        self._image_size = self._side = image_size
        self._shown = pictures

    def start_epoch(self, epoch: int) -> int:
        """Freeze or thaw, and say which side images have."""
        if epoch < self._recipe.freeze_epochs:
            self._headed.freeze()
        else:
            self._headed.thaw()
        self._side = self._recipe.size_at(epoch, self._image_size)
        return self._side

    def view(self, batch: Batch) -> Tensor:
        """Crop, flip and distort."""
        return augment(batch.inputs, batch.aspects, self._side, self._recipe)

    def loader(self, epoch: int) -> DataLoader[Batch]:
        """Batches of photos, not much larger than the views that are taken of them."""
        side = self._recipe.size_at(epoch, self._image_size)
        stored = min(self._pictures.inputs.shape[-1], round(side * MARGIN))
        if self._shown.inputs.shape[-1] != stored:
            self._shown = at_side(self._pictures, stored)
        return training_loader(self._shown, self._recipe.batch_size, self._seed)

    def groups(self) -> Iterator[tuple[float, list[nn.Parameter]]]:
        """Head and stages, each at its rate."""
        return self._headed.groups(float(self._recipe.lr), self._recipe.lr_decay)


class FeatureLearner:
    """A linear head over features (f − μ) / σ that were computed once.

    Parameters
    ----------
    features : Samples
        Inputs (n, d) of float32.
    """

    def __init__(self, features: Samples, n_classes: int, recipe: Recipe, seed: int) -> None:
        self._features, self._recipe, self._seed = features, recipe, seed
        mean, std = features.inputs.mean(0), features.inputs.std(0, correction=0).clamp(min=1e-6)
        self.mean, self.std = mean, std
        self.head = nn.Linear(features.inputs.shape[1], n_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.network: nn.Module = nn.Sequential(Standardise(mean, std), self.head)

    def start_epoch(self, _epoch: int) -> None:
        """Nothing changes between epochs."""

    def view(self, batch: Batch) -> Tensor:
        """Return the features as they are."""
        return batch.inputs

    def loader(self, _epoch: int) -> DataLoader[Batch]:
        """Batches of features."""
        return training_loader(self._features, self._recipe.batch_size, self._seed)

    def groups(self) -> Iterator[tuple[float, list[nn.Parameter]]]:
        """One rate for all."""
        yield float(self._recipe.lr), list(self.head.parameters())

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias for features as they come: W/σ and b − W μ/σ."""
        weight = self.head.weight.detach() / self.std
        return weight, self.head.bias.detach() - weight @ self.mean


class Standardise(nn.Module):
    """(f − μ) / σ."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, features: Tensor) -> Tensor:
        """Standardise features (n, d)."""
        return (features - self.mean) / self.std
