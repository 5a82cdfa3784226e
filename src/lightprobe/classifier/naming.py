"""Several networks in one parameter: names, weights and layers, in a list or with commas between."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lightprobe.backbones import Backbone, create_backbone
from lightprobe.errors import OptionError

if TYPE_CHECKING:
    from lightprobe.classifier.image_classifier import ImageClassifier

OneOrSeveral = str | Path | Sequence[str | Path | None] | None


def create_backbones(model: "ImageClassifier") -> list[Backbone]:
    """Make the networks that a model's parameters name, each ending where they say.

    Raises
    ------
    OptionError
        If weights or layers are not as many as networks.
    BackboneError, WeightsError
        As for `create_backbone`.
    """
    names = of_each("backbone", model.backbone, None)
    weights = of_each("weights", model.weights, len(names))
    cuts = of_each("cut", None if model.cut == "auto" else model.cut, len(names))
    return [
        create_backbone(
            str(name or ""),
            weights=weight,
            cut=None if cut is None else str(cut),
            image_size=model.image_size,
            random_state=model.random_state,
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
