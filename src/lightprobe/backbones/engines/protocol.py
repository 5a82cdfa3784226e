"""What every engine makes of a backbone: a runner, and the network that it runs."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.taps import Tap, pool_output
from lightprobe.errors import BackboneError, OptionError


class Runner(Protocol):
    """A backbone compiled for a set of taps, a precision and a device.

    Attributes
    ----------
    engine, precision : str
        Never "auto": what runs.
    device : torch.device
    weight_bytes : int
        What the weights take as the engine holds them.
    taps : tuple of Tap
    fingerprint : str
        Everything of the runner, apart from its backbone, that changes features.
    state : mapping of str to Tensor
        What must be kept, beside the backbone, to compile the same runner elsewhere: of int8 the quantised
        network, else nothing.
    """

    engine: str
    precision: str
    device: torch.device
    weight_bytes: int
    taps: tuple[Tap, ...]
    fingerprint: str
    state: Mapping[str, Tensor]

    def __call__(self, batch: Tensor) -> dict[Tap, Tensor]:
        """Run one batch.

        Parameters
        ----------
        batch : Tensor of uint8, shape (n, 3, s, s), on the CPU
            Prepared by the backbone's `Preprocessing`.

        Returns
        -------
        dict
            For each tap its features, float32 (n, d), on the CPU and finished: a clock may be read.
        """


def check_batch(batch: Tensor, side: int) -> None:
    """Refuse pixels that `Preprocessing` has not made; BackboneError says what a runner takes."""
    if batch.dtype != torch.uint8 or batch.ndim != 4 or batch.shape[1:] != (3, side, side):
        raise BackboneError(
            f"A runner got a batch of {batch.dtype} {tuple(batch.shape)}; it takes uint8 (n, 3, "
            f"{side}, {side}), as its backbone's preprocessing makes them."
        )


class TappedNetwork(nn.Module):
    """From pixels to features: scale, normalise, run to the deepest tap, pool; what engines compile.

    x = (pixels / 255 − mean) / std, then features[i] = pool_i(layer_i(x)), float32 (n, d_i).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, backbone: Backbone, taps: Iterable[Tap]) -> None:
        super().__init__()
        self.taps = tuple(dict.fromkeys(taps))
        if not self.taps:
            raise OptionError("A runner got no taps; it needs at least one.")
        self.cuts = {tap.cut: backbone.find_cut(tap.cut) for tap in self.taps}
        self.network = backbone.network(list(self.cuts))
        mean = torch.tensor(backbone.preprocessing.mean).view(1, 3, 1, 1)
        std = torch.tensor(backbone.preprocessing.std).view(1, 3, 1, 1)
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Map pixels (n, 3, s, s), uint8, to one feature matrix a tap."""
        outputs = self.network(pixels.to(self.scale.dtype) * self.scale + self.shift)
        return tuple(pool_output(outputs[tap.cut], self.cuts[tap.cut], tap.pool) for tap in self.taps)
