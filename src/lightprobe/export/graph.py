"""A fitted ImageClassifier as one torch module: pixels in, probabilities out."""

from typing import Any

from torch import Tensor, nn

from lightprobe._version import __version__
from lightprobe.backbones.engines.protocol import TappedNetwork
from lightprobe.classifier import ImageClassifier
from lightprobe.export.heads import Head


class Graph(nn.Module):
    """Scaling, network, pooling, encoding, head and calibration.

    Parameters
    ----------
    model : ImageClassifier
        Fitted.
    """

    def __init__(self, model: ImageClassifier) -> None:
        super().__init__()
        self.network = TappedNetwork(model.network_.backbone, [model.choice_.tap])
        self.head = Head(model.choice_.encode, model.head_)
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """From uint8 (n, 3, s, s) to probabilities (n, c), float32."""
        (features,) = self.network(pixels)
        probabilities: Tensor = self.head(features)
        return probabilities


def described(model: ImageClassifier) -> dict[str, Any]:
    """Return what a graph's user has to know: JSON values that travel inside the file."""
    return {
        "format": "lightprobe-export",
        "version": __version__,
        "classes": model.classes_.tolist(),
        "preprocessing": model.network_.backbone.preprocessing.to_config(),
        "backbone": model.network_.backbone.name,
        **model.choice_.to_config(),
        "components": model.head_.n_components_,
        "n_train": model.n_train_,
        "loo_accuracy": model.loo_accuracy_,
        "trained_precision": model.network_.precision,
    }
