from .base import GradientClassifier
from .fine_tune import FineTune
from .linear_probe import LinearProbe
from .recipe import DEFAULT_RECIPES, NAMED_RECIPES, Recipe, find_recipe, read_setting
from .scratch import Scratch
from .trained_model import TrainedModel

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
