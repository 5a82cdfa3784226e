"""The camera of an optical processing unit: intensities |xR|² as whole numbers of a few bits."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError, OptionError

__all__ = ["Camera", "SaturationWarning"]


class SaturationWarning(UserWarning):
    """More pixels are at full scale than the camera was told to accept."""


@dataclass(frozen=True)
class Camera:
    """count = min(round(exposure · |xR|²), 2^bits − 1), as uint8.

    Fully developed speckle has an exponential intensity, so a few pixels are many times as bright as the
    mean: the exposure decides how many of them are clipped, and how many levels are left for the rest.

    Parameters
    ----------
    bits : int, default=8
        Depth of a pixel, 1 to 8.
    exposure : "auto" or float, default="auto"
        Counts per unit of intensity. "auto" takes, from the training rows, the one that brings their
        `quantile` to full scale.
    quantile : float, default=0.999
        Share of the training pixels that "auto" leaves unsaturated.
    max_saturated : float, default=0.01
        Share of pixels brighter than full scale above which `transform` warns. As counts are rounded, pixels
        from half a count below full scale on stand there too: of speckle, whose intensities are exponential,
        max_saturated^(1 − 1/(2 · full scale)), which for one bit is 10 % in place of 1 %.

    Raises
    ------
    OptionError
        If a value is not allowed.
    """

    bits: int = 8
    exposure: float | Literal["auto"] = "auto"
    quantile: float = 0.999
    max_saturated: float = 0.01

    def __post_init__(self) -> None:
        if self.bits not in range(1, 9):
            raise OptionError(f"a camera of {self.bits!r} bits was asked for; give 1 to 8.")
        if self.exposure != "auto" and not (isinstance(self.exposure, int | float) and self.exposure > 0):
            raise OptionError(f"exposure is {self.exposure!r}; give 'auto' or a number above 0.")
        for name, share in (("quantile", self.quantile), ("max_saturated", self.max_saturated)):
            if not 0 <= share <= 1:
                raise OptionError(f"{name} is {share!r}; give a share between 0 and 1.")

    @property
    def levels(self) -> int:
        """The largest count."""
        return (1 << self.bits) - 1

    def exposure_for(self, intensities: NDArray[np.floating]) -> float:
        """Return the counts per unit of intensity: as given, or as suits these intensities.

        Raises
        ------
        DataError
            If no light falls on the camera.
        """
        if self.exposure != "auto":
            return float(self.exposure)
        rank = max(1, round(self.quantile * intensities.size))
        brightest = float(np.partition(intensities, rank - 1, axis=None)[rank - 1])
        if brightest <= 0:
            raise DataError(
                "no light falls on the camera because the rows it was fitted on are all zero; "
                "fit on rows that hold something, or give exposure as a number."
            )
        return self.levels / brightest

    def warn_if_saturated(self, saturated: int, total: int, exposure: float) -> None:
        """Warn if so many pixels at full scale are more than `max_saturated` of brighter ones leave there."""
        accepted = self.max_saturated ** (1 - 0.5 / self.levels)
        if saturated > accepted * total:
            warnings.warn(
                f"{saturated:,} of {total:,} pixels ({saturated / total:.1%}) are saturated at {self.levels} "
                f"with an exposure of {exposure:.3g}, more than the {accepted:.1%} accepted; "
                "fit on rows as bright as these, or give the camera a smaller exposure.",
                SaturationWarning,
                stacklevel=2,
            )
