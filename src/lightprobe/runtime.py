"""How work is done, whatever is computed: one value where lists of parameters went."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class Runtime:
    """Engine, machine and manners of one piece of work.

    Attributes
    ----------
    engine : {"auto", "eager", "openvino"}
        What runs networks.
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}
        Arithmetic of networks.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    batch_size : int
        Photos a batch.
    workers : int or None
        Decoding threads; half the cores without it.
    max_megapixels : float or None
        Skip pictures that would take more pixels in memory; see `lightprobe.images.decoding`.
    cache : bool
        Keep features on disk.
    strict : bool
        Stop at the first photo that cannot be decoded, instead of skipping it.
    seed : int
        Of everything random.
    progress : bool
        Draw progress bars on stderr.
    """

    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    batch_size: int = 32
    workers: int | None = None
    max_megapixels: float | None = None
    cache: bool = True
    strict: bool = False
    seed: int = 0
    progress: bool = False

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Return how a classifier's parameters say that work is done; what they lack is as by default."""
        renamed = {"random_state": "seed", "verbose": "progress"}
        own = {renamed.get(name, name): value for name, value in parameters.items()}
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in own.items() if name in names})
