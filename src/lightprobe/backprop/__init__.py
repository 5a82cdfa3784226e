"""The baselines, by gradients, on Lightning: linear probe, fine-tuning, from scratch."""

from lightprobe.backprop.fine_tune import FineTune
from lightprobe.backprop.linear_probe import LinearProbe
from lightprobe.backprop.recipe import DEFAULT_RECIPES, NAMED_RECIPES, Recipe, find_recipe, read_setting
from lightprobe.backprop.scratch import Scratch

__all__ = [
    "DEFAULT_RECIPES",
    "NAMED_RECIPES",
    "FineTune",
    "LinearProbe",
    "Recipe",
    "Scratch",
    "find_recipe",
    "read_setting",
]
