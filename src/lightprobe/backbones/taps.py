"""Where a network is cut, what is taken from there, and what stopping there costs."""

from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Literal, Self, get_args

from lightprobe.errors import OptionError

Layout = Literal["nchw", "nhwc", "tokens"]
Pool = Literal["avg", "flatten"]


@dataclass(frozen=True)
class Cut:
    """A layer at whose output a network can be stopped.

    Parameters
    ----------
    name : str
        The layer's name in its network.
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


@dataclass(frozen=True)
class CutInfo:
    """What stopping at one cut gives and keeps.

    Parameters
    ----------
    cut : Cut
    shape : tuple of int
        Of the layer's output for one photo.
    parameters : int
        Kept in the cut network.
    share : float
        `parameters` over those of the whole network, classifier included, auxiliary heads not.
    multiplications : int
        That one photo takes on the way, of convolutions, matrix products and attention.
    """

    cut: Cut
    shape: tuple[int, ...]
    parameters: int
    share: float
    multiplications: int

    @property
    def name(self) -> str:
        """The cut's name."""
        return self.cut.name

    @property
    def pooled(self) -> int:
        """Features a photo with pool `avg`."""
        channels = self.shape[0] if self.cut.layout == "nchw" else self.shape[-1]
        return 2 * channels if self.cut.prefix_tokens else channels

    @property
    def flattened(self) -> int:
        """Features a photo with pool `flatten`."""
        return prod(self.shape)

    def to_config(self) -> dict[str, Any]:
        """Return what `from_config` takes, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make it from `to_config`'s dict."""
        return cls(**{**config, "cut": Cut(**config["cut"]), "shape": tuple(config["shape"])})
