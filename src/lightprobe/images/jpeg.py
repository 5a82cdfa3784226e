"""JPEG to pixels: libjpeg-turbo where it can, at a reduced scale where that is enough."""

import re
from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from lightprobe.errors import DamagedImageError, UnsupportedImageError
from lightprobe.images.exif import orientation_of
from lightprobe.images.isolated import decode_isolated
from lightprobe.images.jpeg_structure import JpegStructure, read_jpeg_structure
from lightprobe.images.pillow import require_size, turn_upright

_TURBO: Final = frozenset((0xC0, 0xC1, 0xC2))
# Whole only: lossless at a reduced scale overruns the heap in Pillow, and arithmetic coding is rare.
_WHOLE: Final = {0xC3: "lossless", 0xC9: "arithmetic", 0xCA: "arithmetic"}
_UNREAD: Final = {
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
    0xCB: "lossless arithmetic",
    0xF7: "JPEG-LS",
}
_CONVERTED_AT_ONCE: Final = 1 << 20  # pixels
# Encoders fill their last bytes up; nothing of the picture is missing then.
_PADDED: Final = re.compile(r"extraneous bytes before marker 0x(?:c4|d9|da|db)")


def decode_jpeg(data: bytes, max_pixels: int, at_least: int | None) -> NDArray[np.uint8]:
    """Return a JPEG upright, as (h, w, 3) uint8.

    `max_pixels` bounds what is held in memory: the pixels at the scale that is decoded, and of a progressive
    file the coefficients, which are kept whole at every scale. See `decode`; raises ImageError.
    """
    jpeg = read_jpeg_structure(data)
    _require_readable(jpeg)
    scale = 1 if at_least is None else min(jpeg.width, jpeg.height) // (2 * max(at_least, 1))
    reduction = max(s for s in (1, 2, 4, 8) if s <= max(scale, 1))
    pixels = None
    if jpeg.frame in _TURBO:
        _require_memory(jpeg, reduction, max_pixels)
        pixels = _turbo(jpeg, reduction)
    if pixels is None:
        require_size(jpeg.width, jpeg.height, max_pixels)
        pixels, _ = decode_isolated(jpeg.stream, "JPEG", max_pixels)
    return turn_upright(pixels, orientation_of(jpeg.exif))


def _require_readable(jpeg: JpegStructure) -> None:
    """Raise UnsupportedImageError for kinds of JPEG that no decoder here shows right."""
    if jpeg.frame in _UNREAD:
        raise UnsupportedImageError(f"a kind of JPEG that is not read: {_UNREAD[jpeg.frame]}")
    if jpeg.precision != 8:
        raise UnsupportedImageError(f"a kind of JPEG that is not read: {jpeg.precision} bits a sample")
    if len(jpeg.components) not in (1, 3, 4):
        raise UnsupportedImageError(f"a kind of JPEG that is not read: {len(jpeg.components)} components")
    if jpeg.frame in _WHOLE and not jpeg.ended:
        # Their decoders fill up what is missing without a word.
        raise DamagedImageError("damaged or truncated JPEG")


def _require_memory(jpeg: JpegStructure, reduction: int, max_pixels: int) -> None:
    """Bound pixels at the reduced scale, and coefficients, of which a file of several scans holds all."""
    buffered = jpeg.n_scans > 1 or jpeg.frame == 0xC2
    require_size(jpeg.width, jpeg.height, max_pixels, min(reduction**2, 4 if buffered else 64))
    if 8 * jpeg.n_scan_bytes < jpeg.n_blocks:
        raise DamagedImageError("damaged or truncated JPEG")


def _turbo(jpeg: JpegStructure, reduction: int) -> NDArray[np.uint8] | None:
    """Decode, refusing what libjpeg warns of as lacking; None for samplings that its fast interface lacks."""
    inks = len(jpeg.components) == 4
    options = {
        "colorspace": "CMYK" if inks else "RGB",
        "min_height": -(-jpeg.height // reduction),
        "min_width": -(-jpeg.width // reduction),
        "min_factor": reduction,
    }
    pixels: NDArray[np.uint8]
    try:
        pixels = simplejpeg.decode_jpeg(jpeg.stream, strict=True, **options)
    except ValueError as error:
        if "subsampling" in str(error) and jpeg.ended:
            return None
        if not (jpeg.ended and _PADDED.search(str(error))):
            raise DamagedImageError("damaged or truncated JPEG") from None
        pixels = simplejpeg.decode_jpeg(jpeg.stream, strict=False, **options)
    if inks:
        # Adobe's files, and those are all there are, store ink inverted.
        np.subtract(255, pixels, out=pixels)
        return _cmyk_to_rgb(pixels)
    return pixels


def _cmyk_to_rgb(inks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert (h, w, 4) to (h, w, 3), some rows at a time."""
    height, width, _ = inks.shape
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _CONVERTED_AT_ONCE // width)
    for top in range(0, height, rows):
        strip = np.ascontiguousarray(inks[top : top + rows])
        image = Image.frombuffer("CMYK", (width, len(strip)), strip, "raw", "CMYK", 0, 1)
        pixels[top : top + rows] = np.asarray(image.convert("RGB"))
    return pixels
