"""Bytes to pixels: what a file is follows from its first bytes, never from its name."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from lightprobe.errors import ImageError
from lightprobe.images.isolated import ISOLATED_KINDS, decode_isolated
from lightprobe.images.pillow import decode_with_pillow, require_size

# A quarter of a gigabyte once decoded; Pillow draws its own line at the same place.
DEFAULT_MAX_PIXELS = 89_478_485

# torchvision.io.ImageReadMode.RGB
_AS_RGB = 3

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
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)


def decode(
    data: bytes | NDArray[np.uint8],
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    at_least: int | None = None,
) -> torch.Tensor:
    """Return an image, upright and over white, as a uint8 tensor (3, h, w); in memory channels come last.

    Parameters
    ----------
    data : bytes or (h, w, 3) uint8
        An encoded file (JPEG, PNG, WebP, GIF, BMP, TIFF, PPM, HEIC, AVIF; its first frame), or pixels.
    max_pixels : int
        Larger pictures are refused by their header, before they are decoded.
    at_least : int, optional
        The shorter side, in pixels, that is needed. A JPEG whose shorter side can be halved once or more
        and still be twice that is decoded at the reduced scale, which saves the larger part of the time.

    Raises
    ------
    ImageError
        The file is empty, truncated, damaged, over the limit, or no image of a known format.
    """
    if isinstance(data, np.ndarray):
        require_size(data.shape[1], data.shape[0], max_pixels)
        return torch.from_numpy(np.array(data)).permute(2, 0, 1)
    kind = sniff(data)
    if kind == "JPEG":
        return _decode_jpeg(data, max_pixels, at_least)
    read = decode_isolated if kind in ISOLATED_KINDS else decode_with_pillow
    return torch.from_numpy(read(data, kind, max_pixels)).permute(2, 0, 1)


def sniff(data: bytes) -> str:
    """Return the format of an encoded image from its first bytes; ImageError if it is none we read."""
    if not data:
        raise ImageError("empty file")
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
    raise ImageError("not an image of a known format")


@dataclass(frozen=True)
class _JpegHeader:
    width: int
    height: int
    orientation: int


def _decode_jpeg(data: bytes, max_pixels: int, at_least: int | None) -> torch.Tensor:
    """Decode a JPEG through torchvision, or at a reduced scale through Pillow: the faster one each.

    One thread, milliseconds a photo, torchvision / Pillow: 256×341 0.23 / 0.30, 500×375 0.35 / 0.52,
    4032×3024 47 / 93; Pillow at a quarter of the scale 26. CMYK, in Adobe's inverted form, too, comes
    out of both alike.
    """
    header = _read_jpeg_header(data)
    require_size(header.width, header.height, max_pixels)
    scale = 1 if at_least is None else min(header.width, header.height) // (2 * max(at_least, 1))
    operator = _jpeg_operator()
    if scale >= 2 or operator is None:
        reduction = max(s for s in (1, 2, 4, 8) if s <= max(scale, 1))
        draft = (header.width // reduction, header.height // reduction)
        return torch.from_numpy(decode_with_pillow(data, "JPEG", max_pixels, draft)).permute(2, 0, 1)
    try:
        pixels = operator(torch.frombuffer(bytearray(data), dtype=torch.uint8), _AS_RGB, False)
    except RuntimeError:
        raise ImageError("damaged or truncated JPEG") from None
    return _turn_upright(pixels, header.orientation)


@cache
def _jpeg_operator() -> Callable[[torch.Tensor, int, bool], torch.Tensor] | None:
    """Return the operator behind `torchvision.io.decode_jpeg`, or None where torchvision lacks it.

    The function warns at each call since torchvision 0.29 that a later release will drop it; then
    Pillow decodes everything, to the same pixels. torchvision is imported because that registers operators.
    """
    return getattr(torch.ops.image, "decode_jpeg", None)


def _read_jpeg_header(data: bytes) -> _JpegHeader:
    """Walk the segments up to the frame header (ITU T.81, B.1.1 and B.2.2)."""
    orientation = 1
    place = 2
    try:
        while True:
            while data[place] == 0xFF and data[place + 1] == 0xFF:
                place += 1
            if data[place] != 0xFF:
                break
            marker = data[place + 1]
            (length,) = struct.unpack_from(">H", data, place + 2)
            if marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
                orientation = _exif_orientation(data[place + 10 : place + 2 + length])
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                if data.rfind(b"\xff\xd9", place) < 0:
                    # No end marker: broken downloads leave zeros instead, and those decode as flat grey.
                    break
                height, width = struct.unpack_from(">HH", data, place + 5)
                return _JpegHeader(width, height, orientation)
            place += 2 + length
    except (IndexError, struct.error):
        pass
    raise ImageError("damaged or truncated JPEG")


def _exif_orientation(exif: bytes) -> int:
    """Return tag 0x0112 of the first directory (Exif 2.32, 4.6.4), 1 (upright) where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, directory)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, directory + 2 + 12 * entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _turn_upright(pixels: torch.Tensor, orientation: int) -> torch.Tensor:
    """Undo an EXIF orientation: 5 to 8 swap the axes, then rows or columns are mirrored."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 2)
    mirrored = [axis for axis, when in ((1, (3, 4, 7, 8)), (2, (2, 3, 6, 7))) if orientation in when]
    return pixels.flip(mirrored) if mirrored else pixels
