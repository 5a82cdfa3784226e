"""A fitted ImageClassifier as tensors and plain values, and back."""

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from lightprobe.classifier.kept import Kept
from lightprobe.classifier.naming import plain
from lightprobe.classifier.network import Network, named
from lightprobe.classifier.summed import Summed
from lightprobe.head import Novelty, OpticalRidge
from lightprobe.selection import Candidate, Choice

if TYPE_CHECKING:
    from lightprobe.classifier.image_classifier import ImageClassifier

Model = TypeVar("Model", bound="ImageClassifier")

Tensors = dict[str, torch.Tensor]

# Whose versions a saved model records.
VERSIONS = ("lightprobe", "torch", "torchvision", "numpy", "scikit-learn")


def state_of(model: "ImageClassifier") -> tuple[Tensors, dict[str, Any]]:
    """Take a fitted model apart; the networks up to their cuts are inside."""
    arrays, head = model.head_.get_state()
    if model.kept_ is None:
        # One row a photo: as much a trace of it as its name.
        arrays["loo_scores"] = arrays["loo_scores"][:0]
    first, *others = model.networks_
    tensors, network = first.state_of()
    beside = []
    for place, other in enumerate(others):
        its_tensors, its_config = other.state_of()
        tensors |= {f"beside.{place}.{name}": tensor for name, tensor in its_tensors.items()}
        beside.append(its_config)
    tensors |= {f"head.{name}": torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
    kept = None
    if model.kept_ is not None:
        rows, kept = model.kept_.state_of(with_rows=not hasattr(model.head_, "X_fit_"))
        tensors |= rows
    if model.sums_ is not None:
        tensors |= model.sums_.state_of()
    for name, array in vars(model.novelty_).items():
        tensors[f"novelty.{name}"] = torch.from_numpy(array)
    config = {
        "method": "optical",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
        "classes": model.classes_.tolist(),
        "parameters": {
            **model.get_params(),
            "backbone": plain(model.backbone),
            "weights": plain(model.weights),
        },
        **network,
        "beside": beside,
        "choice": model.choice_.to_config(),
        "candidates": [candidate.to_config() for candidate in model.candidates_],
        "head": head,
        "loo_accuracy": model.loo_accuracy_,
        "optimism": model.optimism_,
        "cut_gain": model.cut_gain_,
        "n_train": model.n_train_,
        "n_groups": model.n_groups_,
        "seconds": model.seconds_,
        "paths": [] if kept is None and model.sums_ is None else model.paths_,
        "kept": kept,
        "sums": model.sums_ is not None,
        "stale": model.stale_,
    }
    return tensors, config


def restored(kind: type[Model], tensors: Tensors, config: dict[str, Any]) -> Model:
    """Build the fitted model again.

    Raises
    ------
    KeyError, TypeError, ValueError
        Something is missing, or parts do not fit each other.
    """
    model = kind(**config["parameters"])
    model.classes_ = np.array(config["classes"])
    others = enumerate(config.get("beside", ()))  # which models from before several networks do not have
    model.networks_ = (
        Network.from_state(tensors, config),
        *(Network.from_state(named(tensors, f"beside.{place}."), other) for place, other in others),
    )
    arrays = {name: tensor.numpy() for name, tensor in named(tensors, "head.").items()}
    model.head_ = OpticalRidge.from_state(arrays, config["head"])
    if len(model.head_.classes_) != len(model.classes_):
        raise ValueError("the head and the list of classes differ in length")
    model.choice_ = Choice.from_config(config["choice"])
    model.candidates_ = [Candidate.from_config(candidate) for candidate in config["candidates"]]
    model.loo_scores_ = model.head_.loo_scores_
    model.loo_accuracy_, model.optimism_ = config["loo_accuracy"], config["optimism"]
    model.cut_gain_ = config["cut_gain"]
    model.n_train_, model.n_cached_, model.skipped_ = config["n_train"], 0, ()
    novelty = named(tensors, "novelty.")
    model.novelty_ = Novelty(*(novelty[name].numpy() for name in ("reference", "centre", "spread")))
    model.n_groups_ = config["n_groups"]
    model.seconds_, model.paths_ = config["seconds"], config["paths"]
    model.kept_ = None
    if config["kept"] is not None:
        kept = {name: tensor.numpy() for name, tensor in named(tensors, "kept.").items()}
        model.kept_ = Kept.from_state(kept, config["kept"], model.paths_, model.head_)
    model.sums_, model.stale_ = None, config.get("stale", False)
    if config.get("sums"):  # which older models do not know of
        sums = {name: tensor.numpy() for name, tensor in named(tensors, "sums.").items()}
        model.sums_ = Summed.from_state(sums, model.paths_, model.head_)
    return model
