"""The engine that runs everywhere torch does: CPU, CUDA, MPS; no compilation to wait for."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lightprobe.backbones.engines.precisions import resolve_precision
from lightprobe.backbones.engines.protocol import Pixels, check_batch
from lightprobe.backbones.taps import Tap
from lightprobe.backbones.torch_networks import TappedNetwork, TorchBackbone
from lightprobe.devices import resolve_device

_HALVES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
_CAST: Final = (nn.Conv2d, nn.Linear)  # whose weights autocast makes halves; normalisation stays in float32


class EagerRunner:
    """Run a backbone with torch, channels last, in autocast where the precision is a half."""

    engine = "eager"

    def __init__(
        self, backbone: TorchBackbone, taps: Iterable[Tap], *, precision: str = "auto", device: str = "auto"
    ) -> None:
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self._kind = torch.device(self.device).type
        self.fingerprint = f"{self.engine} {self.precision} {self._kind}"
        self.state: Mapping[str, NDArray[np.float32]] = {}
        network = TappedNetwork(backbone, taps)
        half = _HALVES.get(self.precision)
        if half is not None:
            # What autocast would do at every call, once: the same numbers from half the memory.
            for module in network.modules():
                if isinstance(module, _CAST):
                    module.to(half)
        self._network = network.to(self.device).to(memory_format=torch.channels_last).eval()
        self._size = backbone.preprocessing.crop
        self.taps = network.taps
        tensors = [*network.parameters(), *network.buffers()]
        self.weight_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def __call__(self, batch: Pixels) -> dict[Tap, NDArray[np.float32]]:
        """Run one batch of pixels, as `Runner` says."""
        check_batch(batch, self._size)
        rows = torch.from_numpy(batch).permute(0, 3, 1, 2)
        if self._kind == "cuda":
            rows = rows.pin_memory()
        half = _HALVES.get(self.precision)
        with torch.inference_mode(), torch.autocast(self._kind, half) if half else nullcontext():
            pixels = rows.to(self.device, non_blocking=True, memory_format=torch.channels_last)
            features = self._network(pixels)
        return {tap: feature.cpu().numpy() for tap, feature in zip(self.taps, features, strict=True)}
