"""A fitted model as one torch module: pixels in, probabilities out."""

from typing import Any

from torch import Tensor, nn

from lightprobe._version import __version__
from lightprobe.backbones.engines.protocol import TappedNetwork
from lightprobe.classifier import ImageClassifier
from lightprobe.export.heads import RidgeHead, SoftmaxHead
from lightprobe.models import Model


class Graph(nn.Module):
    """Scaling, network, pooling, encoding, head and calibration.

    Parameters
    ----------
    model : ImageClassifier, LinearProbe, FineTune or Scratch
        Fitted.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = TappedNetwork(model.network_.backbone, [model.tap_])
        self.head = head_of(model)
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """From uint8 (n, 3, s, s) to probabilities (n, c), float32."""
        (features,) = self.network(pixels)
        probabilities: Tensor = self.head(features)
        return probabilities


def head_of(model: Model) -> nn.Module:
    """Return what follows the network: features (n, m), float32, to probabilities (n, c), float32."""
    if isinstance(model, ImageClassifier):
        return RidgeHead(model.choice_.encode, model.head_)
    return SoftmaxHead(model)


def described(model: Model) -> dict[str, Any]:
    """Return what a graph's user has to know: JSON values that travel inside the file."""
    return {
        "format": "lightprobe-export",
        "version": __version__,
        "classes": model.classes_.tolist(),
        "preprocessing": model.network_.backbone.preprocessing.to_config(),
        "backbone": model.network_.backbone.name,
        **_facts(model),
        "n_train": model.n_train_,
        "trained_precision": model.network_.precision,
    }


def _facts(model: Model) -> dict[str, Any]:
    if isinstance(model, ImageClassifier):
        return {
            "method": "optical",
            **model.choice_.to_config(),
            "components": model.head_.n_components_,
            "loo_accuracy": model.loo_accuracy_,
            "stale": model.stale_,
        }
    tap = model.tap_
    return {"method": model.method, "cut": tap.cut, "pool": tap.pool, "val_accuracy": model.val_accuracy_}
