"""A classifier trained by gradients: one value, its answers, and its form on disk."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Backbone, Parts, Tap
from lightprobe.backprop.card import model_card
from lightprobe.backprop.recipe import Recipe
from lightprobe.backprop.setup import Trained
from lightprobe.errors import OptionError
from lightprobe.features import TapSet
from lightprobe.photo_model import Answerer, Network, PhotoModel, most_probable, network_facts
from lightprobe.ridge import softmax
from lightprobe.versions import versions_of

VERSIONS: Final = ("lightning", "torch", "torchvision", "openvino", "numpy", "scikit-learn")
# What is noted of a training, as plain values on disk; photos that could not be read are of its run alone.
_NOTED: Final = tuple(field.name for field in fields(Trained) if field.name != "skipped")


@dataclass(frozen=True, eq=False)
class TrainedModel(PhotoModel, Trained):
    """p = softmax(W f(x) + b), where f is a network averaged over positions.

    Attributes
    ----------
    method : str
    recipe : Recipe
        What it was trained by.
    weight, bias : ndarray of float32, shapes (n_classes, n_features) and (n_classes,)
    """

    method: str
    recipe: Recipe
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def backbone(self) -> Backbone:
        """The network up to its cut."""
        return self.network.backbone

    @property
    def tap_set(self) -> TapSet:
        """The network's output, averaged over positions."""
        return TapSet.of(Tap(self.backbone.cut, "avg"))

    def probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) of features (n, d)."""
        scores = features.astype(np.float32) @ self.weight.T + self.bias
        probabilities: NDArray[np.float64] = softmax(scores.astype(np.float64))
        return probabilities

    def answerer(self, top: int, unknown: float | None, why: int, coverage: float | None = None) -> Answerer:
        """Return what answers; OptionError where `unknown`, `why` or `coverage` is asked."""
        if unknown is not None or why or coverage is not None:
            raise OptionError(
                "Only the closed form can say unknown or why, or answer with a coverage, and this model was "
                "trained by gradients: train with `method='optical'` for that."
            )
        return lambda features: most_probable(self.probabilities(features), self.classes, top)

    def facts(self) -> dict[str, Any]:
        """Describe it in JSON values, for a run's row."""
        return {
            "method": self.method,
            **network_facts(self.networks),
            "cut": self.backbone.cut,
            "pool": "avg",
            **dict.fromkeys(("encode", "kernel", "components", "alpha", "alpha_relative")),
            **dict.fromkeys(
                ("n_groups", "loo_accuracy", "loo_balanced_accuracy", "optimism", "cut_gain", "novelty")
            ),
            "n_train": self.n_train,
            "n_validation": self.n_validation,
            "val_accuracy": self.val_accuracy,
            "epochs": len(self.history),
            "best_epoch": self.best_epoch,
            "lr": self.lr,
            "recipe": self.recipe.to_config(),
            "interrupted": self.interrupted,
            "cached": [],
        }

    def to_tensors(self, parameters: dict[str, Any]) -> tuple[Parts, dict[str, Any], str]:
        """Take it apart: tensors, plain values, and a card."""
        tensors, network = self.network.to_tensors()
        tensors |= {"head.weight": self.weight, "head.bias": self.bias}
        config = {
            "method": self.method,
            "versions": {"python": platform.python_version(), **versions_of(*VERSIONS)},
            "classes": list(self.classes),
            "label_kind": self.label_kind,
            "parameters": parameters,
            "recipe": self.recipe.to_config(),
            **network,
            **{name: getattr(self, name) for name in _NOTED},
        }
        return tensors, config, model_card(config)

    @classmethod
    def from_tensors(cls, tensors: Parts, config: Mapping[str, Any]) -> Self:
        """Build it again.

        Raises
        ------
        KeyError, TypeError, ValueError
            Something is missing, or parts do not fit each other.
        """
        classes = tuple(config["classes"])
        weight, bias = tensors["head.weight"], tensors["head.bias"]
        if not len(weight) == len(bias) == len(classes):
            raise ValueError("the head and the list of classes differ in length")
        return cls(
            classes=classes,
            networks=(Network.from_tensors(tensors, config),),
            skipped=(),
            method=config["method"],
            recipe=Recipe().with_settings(config["recipe"]),
            weight=weight,
            bias=bias,
            label_kind=config.get("label_kind", "str"),
            **{name: config[name] for name in _NOTED},
        )
