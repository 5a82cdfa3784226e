"""The baselines, by gradients, on Lightning: linear probe, fine-tuning, from scratch."""

from lightprobe.backprop.base import GradientClassifier
from lightprobe.backprop.fine_tune import FineTune
from lightprobe.backprop.linear_probe import LinearProbe
from lightprobe.backprop.recipe import DEFAULT_RECIPES, NAMED_RECIPES, Recipe, find_recipe, read_setting
from lightprobe.backprop.scratch import Scratch
from lightprobe.backprop.trained_model import TrainedModel

__all__ = [
    "DEFAULT_RECIPES",
    "NAMED_RECIPES",
    "FineTune",
    "GradientClassifier",
    "LinearProbe",
    "Recipe",
    "Scratch",
    "TrainedModel",
    "find_recipe",
    "read_setting",
]
