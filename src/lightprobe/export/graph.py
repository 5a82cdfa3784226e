"""A fitted model as one torch module: pixels in, probabilities out."""

from typing import Any

from torch import Tensor, nn

from lightprobe._version import __version__
from lightprobe.backbones import TappedNetwork
from lightprobe.backprop import TrainedModel
from lightprobe.classifier import Fitted
from lightprobe.export.heads import RidgeHead, SoftmaxHead

Model = Fitted | TrainedModel


class Graph(nn.Module):
    """Scaling, network, pooling, encoding, head and calibration.

    Parameters
    ----------
    model : Fitted or TrainedModel
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = TappedNetwork(model.network.backbone, model.tap_set.taps)
        self.head = head_of(model)
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """From uint8 (n, 3, s, s) to probabilities (n, c), float32."""
        (features,) = self.network(pixels)
        probabilities: Tensor = self.head(features)
        return probabilities


def head_of(model: Model) -> nn.Module:
    """Return what follows the network: features (n, m), float32, to probabilities (n, c), float32."""
    if isinstance(model, Fitted):
        return RidgeHead(model.choice.encode, model.head)
    return SoftmaxHead(model)


def described(model: Model) -> dict[str, Any]:
    """Return what a graph's user has to know: JSON values that travel inside the file."""
    return {
        "format": "lightprobe-export",
        "version": __version__,
        "classes": list(model.classes),
        "preprocessing": model.network.backbone.preprocessing.to_config(),
        "backbone": model.network.backbone.name,
        **_facts(model),
        "n_train": model.n_train,
        "trained_precision": model.network.precision,
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
