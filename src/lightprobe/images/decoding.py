"""Bytes to pixels: what a file is follows from its first bytes, never from its name."""

import logging

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DamagedImageError, UnsupportedImageError
from lightprobe.images.bounds import is_decoded_in_python
from lightprobe.images.imageset import DEFAULT_MAX_PIXELS
from lightprobe.images.isolated import ISOLATED_KINDS, decode_isolated
from lightprobe.images.jpeg import decode_jpeg
from lightprobe.images.pillow import decode_with_pillow, require_size

logger = logging.getLogger(__name__)
_said = False

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    *((b"P%d%c" % (digit, space), "PPM") for digit in range(1, 7) for space in b" \t\r\n#"),
)
# Whole pictures, as a rule, that nothing here decodes.
_NOT_READ = (
    (b"\0\0\1\0", "ICO"),
    (b"\0\0\2\0", "CUR"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS", "PSD"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"icns", "ICNS"),
    (b"\x01\xda", "SGI"),
    (b"%PDF", "PDF"),
    (b"%!PS", "EPS"),
    (b"gimp xcf", "XCF"),
    (b"P7\n", "PAM"),
    (b"P7 ", "XV thumbnail"),
    (b"PF\n", "PFM"),
    (b"Pf\n", "PFM"),
    (b"<svg", "SVG"),
    (b"<?xml", "SVG or another XML"),
)
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)


def decode(
    data: bytes | NDArray[np.uint8], *, max_pixels: int = DEFAULT_MAX_PIXELS, at_least: int | None = None
) -> NDArray[np.uint8]:
    """Return an image, upright and over white, as (h, w, 3) uint8.

    Parameters
    ----------
    data : bytes or (h, w, 3) uint8
        An encoded file (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, HEIC, AVIF; its first frame), or pixels.
    max_pixels : int
        Pictures of more are refused before they are decoded; of a JPEG, the pixels at the scale that is
        decoded count.
    at_least : int, optional
        The shorter side, in pixels, that is needed. A JPEG whose shorter side can be halved once or more
        and still be twice that is decoded at the reduced scale, which saves the larger part of the time.

    Raises
    ------
    ImageError
        DamagedImageError: empty, truncated, damaged, or no image of a known format.
        UnsupportedImageError: a kind that no decoder here shows right. ImageTooLargeError: over the limit.
    """
    if isinstance(data, np.ndarray):
        require_size(data.shape[1], data.shape[0], max_pixels)
        return np.array(data)
    kind = sniff(data)
    if kind == "JPEG":
        return decode_jpeg(data, max_pixels, at_least)
    isolated = kind in ISOLATED_KINDS or is_decoded_in_python(kind, data)
    read = decode_isolated if isolated else decode_with_pillow
    pixels, white = read(data, kind, max_pixels)
    if white is not None:
        _say_once(kind, white)
    return pixels


def sniff(data: bytes) -> str:
    """Return the format of an encoded image from its first bytes; ImageError if it is none we read."""
    if not data:
        raise DamagedImageError("empty file")
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
        brands = {box[:4], *(box[i : i + 4] for i in range(8, len(box), 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIC"
    for magic, name in _NOT_READ:
        if data.startswith(magic):
            raise UnsupportedImageError(f"{name} is not read")
    raise DamagedImageError("not an image of a known format")


def _say_once(kind: str, white: float) -> None:
    """Say, once in a process, that greys were scaled by more than their format asks for."""
    global _said
    if not _said:
        _said = True
        logger.warning(
            "Greys of more than 8 bits that fill a part of their range are shown scaled to all of it "
            "(the first: a %s in which %g is white).",
            kind,
            white,
        )
