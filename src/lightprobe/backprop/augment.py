"""Random crops, flips and distortions, of a whole batch at once, on the device that trains."""

import math

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from lightprobe.backprop.recipe import Recipe


def augment(pictures: Tensor, aspects: Tensor, side: int, recipe: Recipe) -> Tensor:
    """Draw another view of each picture.

    A crop has a share s ~ U(scale) of the area and a width r times its height, log r ~ U(log ratio), at a
    place that is uniform within the photo; a side that would be longer than the photo's is cut to it. The
    numbers come from torch's global generator.

    Parameters
    ----------
    pictures : Tensor of uint8, shape (n, 3, s, s)
        Whole photos, squashed to squares.
    aspects : Tensor, shape (n,)
        Width over height of each photo before it was squashed.
    side : int
        Pixels of the result.

    Returns
    -------
    Tensor of float32, shape (n, 3, side, side), values in 0..255
    """
    n = len(pictures)
    if recipe.trivial_augment:
        distort = v2.TrivialAugmentWide()
        pictures = torch.stack([distort(picture) for picture in pictures])
    area = torch.empty(n).uniform_(*recipe.scale)
    ratio = torch.empty(n).uniform_(*map(math.log, recipe.ratio)).exp() / aspects.cpu()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    if recipe.scale == (1.0, 1.0):
        width, height = torch.ones(n), torch.ones(n)
    # In affine_grid's coordinates a photo reaches from −1 to 1.
    x = (1 - width) * torch.empty(n).uniform_(-1, 1)
    y = (1 - height) * torch.empty(n).uniform_(-1, 1)
    mirror = (torch.randint(0, 2, (n,)) * 2 - 1).float() if recipe.flip else torch.ones(n)
    boxes = torch.zeros(n, 2, 3)
    boxes[:, 0, 0], boxes[:, 0, 2] = width * mirror * recipe.center, x
    boxes[:, 1, 1], boxes[:, 1, 2] = height * recipe.center, y
    grid = functional.affine_grid(boxes.to(pictures.device), [n, 3, side, side], align_corners=False)
    views = functional.grid_sample(
        pictures.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return views.contiguous(memory_format=torch.channels_last)
