"""What a closed-form classifier may be told before it is fitted, and what that stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from lightprobe.backbones import DEFAULT, Backbone, Pool, backbone_for
from lightprobe.errors import OptionError
from lightprobe.head import HeadOptions
from lightprobe.optics import ENCODERS
from lightprobe.runtime import Runtime
from lightprobe.selection import AUTO_KERNELS, AUTO_POOL

OneOrSeveral = str | Path | Sequence[str | Path | None] | None

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

    backbone: str | Sequence[str] = DEFAULT
    weights: OneOrSeveral = None
    cut: OneOrSeveral = None
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

    def create_backbones(self, runtime: Runtime) -> list[Backbone]:
        """Make the networks that the settings name, each ending where they say.

        Raises
        ------
        OptionError
            If weights or layers are not as many as networks.
        BackboneError, WeightsError
            As for `backbone_for`.
        """
        names = of_each("backbone", self.backbone, None)
        weights = of_each("weights", self.weights, len(names))
        cuts = of_each("cut", None if self.cut == "auto" else self.cut, len(names))
        return [
            backbone_for(
                runtime,
                str(name or ""),
                weights=weight,
                cut=None if cut is None else str(cut),
                image_size=self.image_size,
                mean=self.mean,
                std=self.std,
            )
            for name, weight, cut in zip(names, weights, cuts, strict=True)
        ]


def of_each(what: str, value: OneOrSeveral, n: int | None) -> list[str | Path | None]:
    """List the parameter `what` for each of n networks; an empty place is None.

    Without n, as many as there are. What is meant for a single network is taken as it is, commas and all.

    Raises
    ------
    OptionError
        If there are not n.
    """
    if value is None:
        return [None] * (n or 1)
    if isinstance(value, Path) or (n == 1 and isinstance(value, str)):
        parts: list[str | Path | None] = [value]
    else:
        listed = value.split(",") if isinstance(value, str) else value
        parts = [(part.strip() if isinstance(part, str) else part) or None for part in listed]
    if n is not None and len(parts) != n:
        raise OptionError(
            f"{what} names {len(parts)} for {n} networks: give one for each, with commas between "
            "(an empty place means the network's own)."
        )
    return parts


def plain(value: OneOrSeveral) -> str | list[str | None] | None:
    """Write such a parameter as JSON values."""
    if value is None or isinstance(value, str | Path):
        return None if value is None else str(value)
    return [None if part is None else str(part) for part in value]
