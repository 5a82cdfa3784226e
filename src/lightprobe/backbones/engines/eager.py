"""The engine that runs everywhere torch does: CPU, CUDA, MPS; no compilation to wait for."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Final

import torch
from torch import Tensor, nn

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.devices import resolve_device, resolve_precision
from lightprobe.backbones.engines.protocol import Runner, TappedNetwork, check_batch
from lightprobe.backbones.taps import Tap

_HALVES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
_CAST: Final = (nn.Conv2d, nn.Linear)  # whose weights autocast makes halves; normalisation stays in float32


class EagerRunner:
    """Run a backbone with torch, channels last, in autocast where the precision is a half."""

    engine = "eager"

    def __init__(
        self, backbone: Backbone, taps: Iterable[Tap], *, precision: str = "auto", device: str = "auto"
    ) -> None:
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self.fingerprint = f"{self.engine} {self.precision} {self.device.type}"
        self.state: Mapping[str, Tensor] = {}
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

    def __call__(self, batch: Tensor) -> dict[Tap, Tensor]:
        """Run one batch of pixels, as `Runner` says."""
        check_batch(batch, self._size)
        if self.device.type == "cuda":
            batch = batch.pin_memory()
        half = _HALVES.get(self.precision)
        with torch.inference_mode(), torch.autocast(self.device.type, half) if half else nullcontext():
            pixels = batch.to(self.device, non_blocking=True, memory_format=torch.channels_last)
            features = self._network(pixels)
        return {tap: feature.cpu() for tap, feature in zip(self.taps, features, strict=True)}


def agreement(runner: Runner, backbone: Backbone, pixels: Tensor, *, batch_size: int = 32) -> float:
    """Measure the mean cosine between features and those of the eager engine in fp32.

    The mean over photos of x·y / (|x||y|); of several taps the lowest mean counts.

    Parameters
    ----------
    runner : Runner
    backbone : Backbone
        The one that the runner runs.
    pixels : Tensor of uint8, shape (n, 3, s, s)
        A sample of prepared photos; some sixteen tell the precisions apart.
    batch_size : int
        Photos a batch.
    """
    truth = EagerRunner(backbone, runner.taps, precision="fp32", device=str(runner.device))
    cosines: dict[str, list[Tensor]] = {}
    for batch in torch.split(pixels, batch_size):
        ours, theirs = runner(batch), truth(batch)
        for tap in runner.taps:
            cosine = torch.cosine_similarity(ours[tap].double(), theirs[tap].double())
            cosines.setdefault(str(tap), []).append(cosine)
    return min(float(torch.cat(parts).mean()) for parts in cosines.values())
