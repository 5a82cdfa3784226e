"""cnn2, cnn3, cnn4: convolution, activation, pooling, two, three or four times, then a dense layer.

The networks of tutorials on CIFAR-10: small enough to train from scratch in minutes on a CPU. They have no
published weights: `--method scratch` makes them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import Tensor, nn

from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.torch_networks.architecture import Architecture
from lightprobe.backbones.torch_networks.families import CutRule, Family
from lightprobe.errors import BackboneError

PLAIN_PREPROCESSING: Final = Preprocessing(resize=32, crop=32)
FIRST_CHANNELS: Final = 16
DENSE_UNITS: Final = 256

ACTIVATIONS: Final[Mapping[str, Callable[[], nn.Module]]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
POOLINGS: Final[Mapping[str, Callable[[int], nn.Module]]] = {
    "max": lambda _: nn.MaxPool2d(2),
    "avg": lambda _: nn.AvgPool2d(2),
    "stride": lambda channels: nn.Conv2d(channels, channels, 2, stride=2),
}
INITS: Final[Mapping[str, Callable[..., object] | None]] = {
    "default": None,  # torch's own: uniform in ±1/√fan_in
    "kaiming": nn.init.kaiming_normal_,
    "xavier": nn.init.xavier_normal_,
    "orthogonal": nn.init.orthogonal_,
}
_DEFAULTS: Final[Mapping[str, object]] = {
    "batch_norm": True,
    "activation": "relu",
    "pooling": "max",
    "init": "kaiming",
}
_FAMILY: Final = Family((CutRule("layers.*"), CutRule("dense")))


class PlainCnn(nn.Module):
    """Layer i: 3 × 3 convolution to 16·2ⁱ channels, batch norm if wanted, activation, pooling by two.

    The dense layer's output (n, 256) has shape (n, 256, 1, 1), as feature maps have.
    """

    def __init__(
        self, depth: int, image_size: int, *, batch_norm: bool, activation: str, pooling: str, init: str
    ) -> None:
        super().__init__()
        side = image_size // 2**depth
        if side < 1:
            raise ValueError(f"{depth} poolings leave nothing of them")
        layers: list[nn.Module] = []
        channels = 3
        for i in range(depth):
            width = FIRST_CHANNELS * 2**i
            steps: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1)]
            if batch_norm:
                steps.append(nn.BatchNorm2d(width))
            layers.append(nn.Sequential(*steps, ACTIVATIONS[activation](), POOLINGS[pooling](width)))
            channels = width
        self.layers = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * side * side, DENSE_UNITS),
            ACTIVATIONS[activation](),
            nn.Unflatten(1, (DENSE_UNITS, 1, 1)),
        )
        draw = INITS[init]
        for module in self.modules():
            if draw is not None and isinstance(module, nn.Conv2d | nn.Linear):
                draw(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (n, 3, s, s) to the dense layer's output (n, 256, 1, 1)."""
        features: Tensor = self.dense(self.layers(images))
        return features


class PlainCnnArchitecture(Architecture):
    """The recipe of a `PlainCnn`; `arguments` are batch_norm, activation, pooling and init."""

    @property
    def family(self) -> Family:
        """Cut points: every layer, and the dense one."""
        return _FAMILY

    def _make(self, *, data: bool) -> nn.Module:
        arguments: dict[str, Any] = {**_DEFAULTS, **self.arguments}
        for name, allowed in (("activation", ACTIVATIONS), ("pooling", POOLINGS), ("init", INITS)):
            if arguments[name] not in allowed:
                raise BackboneError(
                    f"{self.builder} has no {name} {arguments[name]!r}; allowed are {', '.join(allowed)}."
                )
        if not data:
            arguments["init"] = "default"
        return PlainCnn(int(self.builder.removeprefix("cnn")), self.image_size, **arguments)
