"""What is trained: a head over features, or a network over pictures."""

from collections.abc import Iterator

from torch import Tensor, nn

from lightprobe.backprop.augment import augment
from lightprobe.backprop.batches import Samples
from lightprobe.backprop.networks import HeadedNetwork
from lightprobe.backprop.pictures import MARGIN, at_side
from lightprobe.backprop.recipe import Recipe


class Trainable:
    """A network, the samples that it learns from, and how fast; as it stands, for features.

    Parameters
    ----------
    network : Module
        From inputs to scores (n, n_classes).
    samples : Samples
    recipe : Recipe
        With a learning rate.
    """

    network: nn.Module

    def __init__(self, network: nn.Module, samples: Samples, recipe: Recipe) -> None:
        self.network, self.samples, self.recipe = network, samples, recipe

    def start_epoch(self, _epoch: int) -> int | None:
        """Prepare an epoch, counted from 0; return the side of its images, None where there are none."""
        return None

    def samples_at(self, _epoch: int) -> Samples:
        """Return what an epoch trains on."""
        return self.samples

    def view(self, batch: Samples) -> Tensor:
        """Return the inputs of a training batch, augmented."""
        return batch.inputs

    def groups(self) -> Iterator[tuple[float, list[nn.Parameter]]]:
        """Yield (learning rate, parameters)."""
        yield float(self.recipe.lr), list(self.network.parameters())


class TrainableNetwork(Trainable):
    """A backbone with a head, that is shown another view of each photo in each epoch.

    Parameters
    ----------
    image_size : int
        Side of the views, where the recipe has no sizes.
    """

    network: HeadedNetwork

    def __init__(self, network: HeadedNetwork, samples: Samples, recipe: Recipe, image_size: int) -> None:
        super().__init__(network, samples, recipe)
        self._shown, self._image_size, self._side = samples, image_size, image_size

    def start_epoch(self, epoch: int) -> int:
        """Freeze or thaw, and say which side images have."""
        if epoch < self.recipe.freeze_epochs:
            self.network.freeze()
        else:
            self.network.thaw()
        self._side = self.recipe.size_at(epoch, self._image_size)
        return self._side

    def samples_at(self, epoch: int) -> Samples:
        """Return photos not much larger than the views that are taken of them."""
        side = self.recipe.size_at(epoch, self._image_size)
        stored = min(self.samples.inputs.shape[-1], round(side * MARGIN))
        if self._shown.inputs.shape[-1] != stored:
            self._shown = at_side(self.samples, stored)
        return self._shown

    def view(self, batch: Samples) -> Tensor:
        """Crop, flip and distort."""
        return augment(batch.inputs, batch.aspects, self._side, self.recipe)

    def groups(self) -> Iterator[tuple[float, list[nn.Parameter]]]:
        """Head and stages, each at its rate."""
        return self.network.groups(float(self.recipe.lr), self.recipe.lr_decay)
