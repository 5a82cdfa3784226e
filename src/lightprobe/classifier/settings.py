"""What a closed-form classifier may be told before it is fitted, and what that stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from lightprobe.backbones import DEFAULT, Backbone, OneOrSeveral, Pool, backbones_for, list_looks
from lightprobe.classifier.levels import LEVELS, Level
from lightprobe.errors import OptionError
from lightprobe.head import HeadOptions
from lightprobe.optics import ENCODERS
from lightprobe.runtime import Runtime
from lightprobe.selection import AUTO_KERNELS, AUTO_POOL

KEEP: Final = ("features", "sums", "nothing")
ALLOWED: Final = {
    "pool": ("auto", *get_args(Pool)),
    "encode": ("auto", *ENCODERS),
    "kernel": ("auto", *AUTO_KERNELS),
    "keep": KEEP,
}


@dataclass(frozen=True)
class Settings:
    """What is fitted; fields are the parameters of `ImageClassifier` that change what comes of it."""

    backbone: str | Sequence[str] | None = None
    quality: str = LEVELS[0]
    weights: OneOrSeveral = None
    cut: OneOrSeveral = None
    looks: str | Sequence[str] | None = None
    image_size: int | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    pool: Pool | Literal["auto"] = "auto"
    encode: str = "auto"
    kernel: str = "auto"
    components: str | int = "auto"
    projection: str = "structured"
    alpha: str | float = "auto"
    class_weight: str | None = None
    class_map: Any = None
    classes: str | None = None
    group: str | None = None
    max_memory: int | None = None
    keep: str = "features"

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Return what the parameters of an `ImageClassifier` say; what they lack is as by default."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in parameters.items() if name in names})

    def check(self, runtime: Runtime) -> None:
        """Refuse values that are not allowed, or not with each other, with an OptionError."""
        for name, allowed in ALLOWED.items():
            value = getattr(self, name)
            if value not in allowed:
                raise OptionError(f"{name} is {value!r}; allowed are {', '.join(allowed)}.")
        list_looks(self.looks)
        if self.backbone is None:
            Level.named(self.quality, self.weights)
        kernel = self.asked_kernel
        if self.keep != "features" and kernel != "linear" and isinstance(self.components, str):
            raise OptionError(
                f"`keep` is {self.keep!r}, but the exact optical kernel keeps features of its photos: "
                "take `kernel='linear'` or a number of `components`."
            )
        if self.keep == "sums" and self.class_weight is not None:
            raise OptionError(
                "`keep` is 'sums', but balanced classes weigh every photo anew whenever one comes or goes: "
                "leave `class_weight` out, or keep features."
            )
        for name in AUTO_KERNELS if kernel == "auto" else (kernel,):
            replace(self.head_options(runtime), kernel=name).check()

    @property
    def asked_kernel(self) -> str:
        """The kernel, or "auto"; a number of random features asks for the kernel that has them."""
        if self.kernel == "auto" and not isinstance(self.components, str):
            return "optical"
        return self.kernel

    @property
    def used_pool(self) -> Pool:
        """The pooling, what "auto" stands for put in its place."""
        return AUTO_POOL if self.pool == "auto" else self.pool

    def head_options(self, runtime: Runtime) -> HeadOptions:
        """Return what heads are told; their kernel is each candidate's."""
        return HeadOptions(
            components=self.components,
            projection=self.projection,
            alpha=self.alpha,
            class_weight=self.class_weight,
            max_memory=self.max_memory,
            device=runtime.device,
            random_state=runtime.seed,
        )

    @property
    def level(self) -> Level | None:
        """The level of quality that names the networks; None where `backbone` does."""
        return Level.named(self.quality, self.weights) if self.backbone is None else None

    def create_backbones(self, runtime: Runtime, level: Level | None = None) -> list[Backbone]:
        """Make the networks that the settings or a level name, each ending where they say, for each look.

        Raises
        ------
        OptionError, BackboneError, WeightsError
            As for `backbones_for`.
        """
        return backbones_for(
            runtime,
            list(level.networks) if level is not None else self.backbone or DEFAULT,
            weights=list(level.weights) if level is not None else self.weights,
            cut=None if self.cut == "auto" else self.cut,
            looks=self.looks if self.looks is not None or level is None else level.looks,
            image_size=self.image_size,
            mean=self.mean,
            std=self.std,
        )


def plain(value: OneOrSeveral) -> str | list[str | None] | None:
    """Write such a parameter as JSON values."""
    if value is None or isinstance(value, str | Path):
        return None if value is None else str(value)
    return [None if part is None else str(part) for part in value]
