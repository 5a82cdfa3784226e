"""What a row says of a model beyond what came of it: how it looks and how it was fitted."""

from collections.abc import Mapping
from typing import Any

from lightprobe.backprop.base import GradientClassifier
from lightprobe.classifier import ImageClassifier
from lightprobe.classifier.network import network_facts


def facts(model: ImageClassifier | GradientClassifier) -> dict[str, Any]:
    """Return JSON values; what a method does not have is null."""
    return optical_facts(model) if isinstance(model, ImageClassifier) else gradient_facts(model)


def optical_facts(model: ImageClassifier) -> dict[str, Any]:
    """Return what the closed form chose."""
    head, choice = model.head_, model.choice_
    return {
        "method": "optical",
        **network_facts(model.networks_),
        "cut": choice.tap.cut,
        "pool": choice.tap.pool,
        "encode": choice.encode,
        "kernel": choice.kernel,
        "components": head.n_components_ or "exact",
        "alpha": head.alpha_,
        "alpha_relative": head.alpha_relative_,
        "n_train": model.n_train_,
        "n_groups": model.n_groups_,
        "loo_accuracy": model.loo_accuracy_,
        "loo_balanced_accuracy": model.candidates_[0].loo_balanced_accuracy,
        "optimism": model.optimism_,
        "cut_gain": model.cut_gain_,
        "cached": ["features"] if model.n_cached_ else [],
        "candidates": [candidate.to_config() for candidate in model.candidates_],
    }


def gradient_facts(model: GradientClassifier) -> dict[str, Any]:
    """Return how a network learned."""
    return {
        "method": model.method,
        **network_facts([model.network_]),
        "cut": model.backbone_.cut,
        "pool": "avg",
        **dict.fromkeys(("encode", "kernel", "components", "alpha", "alpha_relative")),
        **dict.fromkeys(("n_groups", "loo_accuracy", "loo_balanced_accuracy", "optimism", "cut_gain")),
        "n_train": model.n_train_,
        "n_validation": model.n_validation_,
        "val_accuracy": model.val_accuracy_,
        "epochs": len(model.history_),
        "best_epoch": model.best_epoch_,
        "lr": model.lr_,
        "recipe": model.recipe_.to_config(),
        "interrupted": model.interrupted_,
        "cached": [],
    }


def with_total(stages: Mapping[str, float]) -> dict[str, float]:
    """Add the total to a method's stages; `to_99` is a point in time and no stage."""
    return {**stages, "total": sum(value for stage, value in stages.items() if stage != "to_99")}
