"""What a runner's shortcuts cost: its features beside those of torch in fp32."""

import torch
from torch import Tensor

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.eager import EagerRunner
from lightprobe.backbones.engines.protocol import Runner


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
