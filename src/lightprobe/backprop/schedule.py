"""Learning rates over time, and the optimizer that they drive."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from lightprobe.backprop.recipe import Recipe

# One-cycle, as fastai and torch's OneCycleLR have it by default.
RISE, START, END = 0.25, 1 / 25, 1e-5


def rate_factor(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Return what the learning rate is multiplied by at a step, counted from 0.

    A function of the step alone, so that a resumed training goes on where it stopped.
    """
    epoch = step / steps_per_epoch
    share = min(epoch / recipe.epochs, 1.0)
    if recipe.schedule == "one-cycle":
        if share < RISE:
            return _cosine(START, 1.0, share / RISE)
        return _cosine(1.0, END, (share - RISE) / (1 - RISE))
    rise = min(1.0, (step + 1) / (recipe.warmup * steps_per_epoch)) if recipe.warmup else 1.0
    if recipe.schedule == "step":
        return rise * recipe.gamma ** int(epoch // recipe.step_size)
    if recipe.schedule == "cosine":
        left = max(recipe.epochs - recipe.warmup, 1e-9)
        return rise * _cosine(1.0, 0.0, min(max((epoch - recipe.warmup) / left, 0.0), 1.0))
    return rise


def make_optimizer(
    groups: Iterable[tuple[float, list[nn.Parameter]]], recipe: Recipe
) -> torch.optim.Optimizer:
    """Make the optimizer of (learning rate, parameters); biases and norms, of one dimension, do not decay."""
    settings = []
    for lr, parameters in groups:
        for decay, chosen in (
            (recipe.weight_decay, [p for p in parameters if p.ndim > 1]),
            (0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            if chosen:
                settings.append({"params": chosen, "lr": lr, "weight_decay": decay})
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(settings)
    return torch.optim.SGD(settings, lr=1.0, momentum=recipe.momentum, nesterov=recipe.momentum > 0)


def _cosine(start: float, end: float, share: float) -> float:
    """Go from start to end along half a cosine wave."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
