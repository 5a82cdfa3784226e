"""What is written into an exported file about the model that it was."""

from typing import Any

from lightprobe._version import __version__
from lightprobe.classifier import Fitted
from lightprobe.export.heads import Model
from lightprobe.export.names import FORMAT, Info
from lightprobe.photo_model import network_facts


def described(model: Model) -> Info:
    """Return what a graph's user has to know: JSON values that travel inside the file."""
    network = network_facts(model.networks)
    return {
        "format": FORMAT,
        "version": __version__,
        "classes": list(model.classes),
        "preprocessing": [network.backbone.preprocessing.to_config() for network in model.networks],
        "backbone": network["backbone"],
        "looks": network["looks"],
        **_facts(model),
        "n_train": model.n_train,
        "trained_precision": network["precision"],
    }


def _facts(model: Model) -> dict[str, Any]:
    if isinstance(model, Fitted):
        return {
            "method": "optical",
            **model.choice.to_config(),
            "components": model.head.decision.n_components,
            "loo_accuracy": model.head.loo_accuracy,
            "stale": model.stale,
        }
    taps = model.tap_set
    return {"method": model.method, "cut": taps.cut, "pool": taps.pool, "val_accuracy": model.val_accuracy}
