"""Where a network is cut, and what is taken from there."""

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, cat

from lightprobe.errors import OptionError

Layout = Literal["nchw", "nhwc", "tokens"]
Pool = Literal["avg", "flatten"]


@dataclass(frozen=True)
class Cut:
    """A layer at whose output a network can be stopped.

    Parameters
    ----------
    name : str
        The module's name in its network.
    layout : {"nchw", "nhwc", "tokens"}
        Where channels and positions stand; `tokens` is (n, tokens, channels).
    prefix_tokens : int
        Tokens before the patches': the class token, then any registers.
    """

    name: str
    layout: Layout = "nchw"
    prefix_tokens: int = 0


@dataclass(frozen=True)
class Tap:
    """One feature vector a photo: the output of the layer `cut`, pooled.

    `avg` is the mean over positions, shape (n, channels); of tokens, the class token beside the mean of
    the patches, (n, 2 channels), as in DINOv2's linear evaluation (Oquab et al. 2023, arXiv 2304.07193).
    `flatten` keeps every number in the layer's own order, channels first for convolutions.
    """

    cut: str
    pool: Pool = "avg"

    def __post_init__(self) -> None:
        """Refuse an unknown pooling."""
        if self.pool not in get_args(Pool):
            raise OptionError(f"Unknown pooling {self.pool!r}; allowed are {' and '.join(get_args(Pool))}.")


def pool_output(output: Tensor, cut: Cut, pool: Pool) -> Tensor:
    """Pool a layer's output (n, ...) to float32 feature vectors (n, d); traceable, as engines compile it."""
    output = output.float()
    if pool == "flatten":
        return output.flatten(1)
    if cut.layout == "nchw":
        return output.mean((2, 3))
    if cut.layout == "nhwc":
        return output.mean((1, 2))
    patches = output[:, cut.prefix_tokens :].mean(1)
    return cat([output[:, 0], patches], 1) if cut.prefix_tokens else patches
