"""From a decoded photo of any size to the square of pixels that a network expects."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones.resizing import Interpolation, resize
from lightprobe.errors import BackboneError

Fit = Literal["crop", "squash"]
# Ways to look at a photo: its centre; all of it, out of proportion; its centre, mirrored.
Look = Literal["crop", "squash", "mirror"]
LOOKS: Final[tuple[Look, ...]] = get_args(Look)


@dataclass(frozen=True)
class Preprocessing:
    """How a photo becomes a square of `crop` pixels, resized with antialias.

    Parameters
    ----------
    resize, crop : int
        Pixels. With fit `crop`, the shorter side becomes `resize`, of which the centre square is kept;
        `crop <= resize`.
    mean, std : tuple of 3 floats
        Per channel, for pixels scaled to [0, 1]. Kept here, applied inside the compiled network,
        so that a quarter of the bytes travels and the arithmetic runs where the network runs.
    interpolation : {"bilinear", "bicubic"}
    fit : {"crop", "squash"}
        `squash` keeps the whole photo and not its proportions; `resize` is not used.
    mirror : bool
        Left and right are exchanged.

    Raises
    ------
    BackboneError
        A value that is not allowed.
    """

    resize: int
    crop: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Interpolation = "bilinear"
    fit: Fit = "crop"
    mirror: bool = False

    def __post_init__(self) -> None:
        """Refuse what no photo could be prepared with."""
        if not 1 <= self.crop <= self.resize:
            raise BackboneError(
                f"Preprocessing got resize {self.resize} and crop {self.crop}; "
                "crop must be at least 1 and no larger than resize."
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise BackboneError(
                f"Preprocessing got mean {self.mean} and std {self.std}; "
                "each must be three numbers, those of std above zero."
            )
        for name, value, allowed in (
            ("interpolation", self.interpolation, get_args(Interpolation)),
            ("fit", self.fit, get_args(Fit)),
        ):
            if value not in allowed:
                raise BackboneError(
                    f"Preprocessing got {name} {value!r}; allowed are {' and '.join(allowed)}."
                )

    def with_image_size(self, size: int) -> Self:
        """Return the same preprocessing for squares of `size` pixels, `resize` in proportion."""
        return replace(self, crop=size, resize=max(size, round(self.resize * size / self.crop)))

    @property
    def look(self) -> Look:
        """Which of the ways to look at a photo this is."""
        return "mirror" if self.mirror else self.fit

    def with_look(self, look: Look) -> Self:
        """Return the same preprocessing for another way to look at a photo."""
        return replace(self, fit="squash" if look == "squash" else "crop", mirror=look == "mirror")

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize and crop one photo; thread-safe, and the GIL is free meanwhile.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)

        Returns
        -------
        ndarray of uint8, shape (crop, crop, 3)
        """
        square = self._square(image)
        return np.ascontiguousarray(square[:, ::-1]) if self.mirror else square

    def _square(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.fit == "squash":
            return resize(image, (self.crop, self.crop), self.interpolation)
        # The longer side is rounded down, as torchvision does.
        height, width = (self.resize * side // min(image.shape[:2]) for side in image.shape[:2])
        resized = resize(image, (height, width), self.interpolation)
        top, left = (round((side - self.crop) / 2) for side in (height, width))
        return resized[top : top + self.crop, left : left + self.crop]

    def to_config(self) -> dict[str, Any]:
        """Return what `from_config` takes, fit for JSON."""
        config = asdict(self)
        if not self.mirror:  # as it was before there was a mirror, so that cached features keep their keys
            del config["mirror"]
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a Preprocessing from `to_config`'s dict (tuples may have become lists)."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(config) - known):
            raise BackboneError(
                f"Preprocessing got unknown keys {', '.join(unknown)}; it knows {', '.join(sorted(known))}."
            )
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in config.items()
        }
        try:
            return cls(**values)
        except TypeError as error:
            raise BackboneError(f"Preprocessing cannot be made from {dict(config)}: {error}.") from error
