"""Greys of more than 8 bits, made 8 bits: what is white is said by the file, or by what it holds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# The largest value of so many bits: cameras, microscopes and X-ray write 10, 12 or 14 into 16.
_INTEGER_WHITES = tuple(float(2**bits - 1) for bits in (8, 10, 12, 14, 16, 24, 31, 32))
_FLOAT_WHITES = (1.0, *_INTEGER_WHITES[:5])

# TIFF 6.0, and some of its values.
_BITS, _PHOTOMETRIC, _MAX_SAMPLE_VALUE, _SAMPLE_FORMAT, _S_MAX_SAMPLE_VALUE = 258, 262, 281, 339, 341
_WHITE_IS_ZERO, _UNSIGNED, _SIGNED = 0, 1, 2
_PGM_WHITE = re.compile(rb"P[25](?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+(\d+)")


def eight_bits(
    values: NDArray[np.generic], stated: float | None = None
) -> tuple[NDArray[np.uint8], float | None]:
    """Scale grey values of any number type to 0..255.

    White is `stated`, if nothing is above it; or the largest value of 8, 10, 12, 14, 16 ... bits, the
    first that nothing is above, for floats 1, too. If none is, or values are negative, black and white are
    the least and the largest value. NaN and infinities are black.

    Returns
    -------
    grey : uint8
    white : float or None
        What is shown as white, unless it is the usual: 1, 255 or 65535.
    """
    scale = GreyScale.of(*extremes(values), values.dtype.kind == "f", stated)
    return scale(values), scale.white


def extremes(values: NDArray[np.generic]) -> tuple[float, float]:
    """Return the least and the largest value, NaN and infinities being 0."""
    numbers = _numbers(values)
    return float(numbers.min()), float(numbers.max())


@dataclass(frozen=True)
class GreyScale:
    """How grey values become 0..255; see `eight_bits`.

    Attributes
    ----------
    black, factor : float
        What becomes 0, and by what differences from it are multiplied.
    white : float or None
        What is shown as white, unless it is the usual.
    """

    black: float
    factor: float
    white: float | None

    @classmethod
    def of(cls, low: float, high: float, is_float: bool, stated: float | None = None) -> Self:
        """Find the scale for values from `low` to `high`."""
        whites = _FLOAT_WHITES if is_float else _INTEGER_WHITES
        if stated is not None:
            whites = (stated, *whites)
        white = next((limit for limit in whites if low >= 0 and high <= limit), None)
        if white is None:
            return cls(low, 255.0 / (high - low or 1.0), high)
        usual = (white in (1.0, 255.0) if is_float else white == 65535) or high == 0
        return cls(0.0, 255.0 / white, None if usual else white)

    def __call__(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Scale values of any number type."""
        return np.rint((_numbers(values) - self.black) * self.factor).astype(np.uint8)


def _numbers(values: NDArray[np.generic]) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = values.astype(np.float64)
    if values.dtype.kind == "f":
        np.nan_to_num(numbers, copy=False, posinf=0.0, neginf=0.0)
    return numbers


@dataclass(frozen=True)
class GreyFormat:
    """What a file says of its grey values and Pillow does not.

    Attributes
    ----------
    white : float or None
        The value that is white, where the file says so.
    white_is_zero : bool
        Whether the least value is white, and Pillow leaves it at that.
    unsigned : bool
        Whether 32-bit integers are unsigned; Pillow has them signed.
    signed_bytes : bool
        Whether 8-bit integers are signed; Pillow has them unsigned.
    """

    white: float | None = None
    white_is_zero: bool = False
    unsigned: bool = False
    signed_bytes: bool = False


def read_grey_format(image: Image.Image, data: bytes) -> GreyFormat:
    """Read what a file says of its grey values; the image need not be loaded.

    TIFF: SMaxSampleValue, MaxSampleValue, or BitsPerSample where it is no whole number of bytes. PGM: its
    maxval; Pillow scales by it. PNG: the bits that sBIT calls significant, for writers that do not shift.
    """
    if image.format == "TIFF":
        return _tiff_greys(image.tag_v2)  # type: ignore[attr-defined]  # a TIFF has them
    if image.format == "PPM":
        maxval = _PGM_WHITE.match(data)
        return GreyFormat(65535.0 if maxval and 255 < int(maxval[1]) < 65535 else None)
    if image.format == "PNG" and data[24] == 16:
        place = data.find(b"sBIT", 33, max(data.find(b"IDAT"), 33))
        if place > 0 and 0 < data[place + 4] < 16:
            return GreyFormat(float(2 ** data[place + 4] - 1))
    return GreyFormat()


def _tiff_greys(tags: Mapping[int, Any]) -> GreyFormat:
    bits, sample_format = (_first(tags.get(tag), usual) for tag, usual in ((_BITS, 1), (_SAMPLE_FORMAT, 1)))
    stated = _first(tags.get(_S_MAX_SAMPLE_VALUE, tags.get(_MAX_SAMPLE_VALUE)), 0)
    white: float | None = None
    if stated >= 1 and stated not in (2**16 - 1, 2**32 - 1):  # these are what is meant without the tag
        white = float(stated)
    elif 8 < bits < 16:
        white = float(2**bits - 1)
    return GreyFormat(
        white,
        white_is_zero=tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO,
        unsigned=bits == 32 and sample_format == _UNSIGNED,
        signed_bytes=bits == 8 and sample_format == _SIGNED,
    )


def _first(value: Any, usual: float) -> float:
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int | float) else usual
