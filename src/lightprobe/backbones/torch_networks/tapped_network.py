"""From pixels to features as one module of torch's."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lightprobe.backbones.taps import Cut, Pool, Tap
from lightprobe.backbones.torch_networks.torch_backbone import TorchBackbone
from lightprobe.errors import OptionError


class TappedNetwork(nn.Module):
    """Scale, normalise, run to the deepest tap, pool.

    x = (pixels / 255 − mean) / std, then features[i] = pool_i(layer_i(x)), float32 (n, d_i).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, backbone: TorchBackbone, taps: Iterable[Tap]) -> None:
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


def pool_output(output: Tensor, cut: Cut, pool: Pool) -> Tensor:
    """Pool a layer's output (n, ...) to float32 feature vectors (n, d), as `Tap` says."""
    output = output.float()
    if pool == "flatten":
        return output.flatten(1)
    if cut.layout == "nchw":
        return output.mean((2, 3))
    if cut.layout == "nhwc":
        return output.mean((1, 2))
    patches = output[:, cut.prefix_tokens :].mean(1)
    return torch.cat([output[:, 0], patches], 1) if cut.prefix_tokens else patches
