"""Images through Pillow: opened by what their bytes are, and made 8-bit RGB whatever their mode."""

import re
import struct
import warnings
from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from lightprobe.errors import DamagedImageError, ImageError, ImageTooLargeError, UnsupportedImageError
from lightprobe.images.bmp_runs import as_rle8
from lightprobe.images.greys import GreyFormat, eight_bits, read_grey_format

# Pillow warns of damaged metadata and goes on; it must not print, and warnings.catch_warnings is not safe
# beside other threads. The pattern is narrow: warnings of Pillow's other modules stay as they are.
_DAMAGED_METADATA = r"PIL\.(Tiff|Png|Jpeg)ImagePlugin$"

# How Pillow's readers, libtiff and libavif say that a file is of a kind they lack.
_LACKING = re.compile(
    r"unsupported|not supported|unknown (pixel|raw|image|data)? ?mode|cannot handle|not implemented"
    r"|unrecognized (image|raw|data) mode|invalid palette size|decoder .* not available|no decoding codec",
    re.IGNORECASE,
)
_RLE4 = b"\2\0\0\0"  # a BMP's compression
# Of TIFF (tag 259): JPEG 2000, ZSTD, WebP, JPEG XL, which libtiff is often built without.
_RARE_COMPRESSIONS = frozenset((34712, 50000, 50001, 50002))


def _open_heif(file: BytesIO) -> Image.Image:
    try:
        from pi_heif import HeifImageFile
    except ImportError:
        raise UnsupportedImageError("HEIC needs pip install 'lightprobe[heic]'") from None
    image: Image.Image = HeifImageFile(file)
    return image


# Opened by class, not by Image.open: no other format is tried, and no limit of Pillow's warns before ours.
_OPENERS: dict[str, Callable[[BytesIO], Image.Image]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "HEIC": _open_heif,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
}


def require_size(width: int, height: int, max_pixels: int, reduction: int = 1) -> None:
    """Raise for a picture without pixels, or of more than `max_pixels` where one in `reduction` is held."""
    if width < 1 or height < 1 or max(width, height) >= 2**31:
        raise DamagedImageError(f"no pixels ({width} × {height})")
    if width * height > max_pixels * reduction:
        raise ImageTooLargeError(f"{width} × {height} is over the limit of {max_pixels / 1e6:.0f} megapixels")


def decode_with_pillow(data: bytes, kind: str, max_pixels: int) -> tuple[NDArray[np.uint8], float | None]:
    """Decode the first frame of an encoded image of format `kind`, upright.

    Returns
    -------
    pixels : (h, w, 3) uint8
    white : float or None
        The value that is shown as white where greys of more than 8 bits fill a part of their range only.

    Raises
    ------
    ImageError
    """
    silence_damaged_metadata()
    if kind == "WebP":
        # The decoder takes the whole canvas as it opens, so its size is read first.
        require_size(*_webp_canvas(data), max_pixels)
    if kind == "BMP" and int.from_bytes(data[14:18], "little") >= 40 and data[30:34] == _RLE4:
        data = as_rle8(data)  # of 4-bit run lengths Pillow 12.3 makes other pixels, and no error
    try:
        return _opened(data, kind, max_pixels)
    except ImageError as error:
        if kind != "PNG" or not isinstance(error, DamagedImageError):
            raise
    # Broken text, colour profiles or animation need not cost the picture.
    return _opened(_needed_chunks(data), kind, max_pixels)


def _needed_chunks(png: bytes) -> bytes:
    """Return a PNG without the chunks that its pixels can do without (PNG, third edition, 5.3)."""
    parts, place = [png[:8]], 8
    while place < len(png):
        end, kind = place + 12 + int.from_bytes(png[place : place + 4], "big"), png[place + 4 : place + 8]
        # Of a chunk that the file ends in, only pixels count.
        there = end <= len(png) or (kind == b"IDAT" and place + 8 < len(png))
        if there and kind in (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"sBIT", b"IDAT", b"IEND"):
            parts.append(png[place:end])
        place = end
    return b"".join(parts)


def _opened(data: bytes, kind: str, max_pixels: int) -> tuple[NDArray[np.uint8], float | None]:
    try:
        with _OPENERS[kind](BytesIO(data)) as image:
            require_size(*image.size, max_pixels)
            greys = read_grey_format(image, data)
            if kind == "AVIF":
                image = _clean(image, data)
            elif kind == "PNG":
                _scale_key(image, data)
            return _to_rgb(image, greys)
    except ImageError:
        raise
    except Exception as error:
        # On damaged bytes Pillow's readers raise nearly anything: OSError, SyntaxError, struct.error, ...
        if _LACKING.search(str(error)) or (kind == "TIFF" and _compression(data) in _RARE_COMPRESSIONS):
            raise UnsupportedImageError(f"a kind of {kind} that is not read") from None
        raise DamagedImageError(f"damaged or truncated {kind}") from None


def _compression(tiff: bytes) -> int | None:
    """Return tag 259 of a TIFF's first directory; None if it cannot be read."""
    try:
        found = TiffImagePlugin.TiffImageFile(BytesIO(tiff)).tag_v2.get(259)
    except Exception:
        return None  # whatever Pillow's reader raises on damaged bytes, there is no tag
    return int(found) if isinstance(found, int) else None


def to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return a Pillow image upright as (h, w, 3) uint8.

    Transparency is composited over white; greys of more than 8 bits are scaled as `eight_bits` has it.
    """
    return _to_rgb(image, GreyFormat())[0]


def _to_rgb(image: Image.Image, greys: GreyFormat) -> tuple[NDArray[np.uint8], float | None]:
    image.load()
    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        if greys.unsigned and values.dtype == np.int32:
            values = values.view(np.uint32)
        grey, white = eight_bits(values, greys.white)
        if greys.white_is_zero:
            grey = 255 - grey
        key = image.info.get("transparency")
        if isinstance(key, int):
            grey[values == key] = 255
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2), white
    if image.mode in ("PA", "LA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white_paper = Image.new("RGB", image.size, (255, 255, 255))
        white_paper.paste(image, mask=image.getchannel("A"))
        image = white_paper
    pixels = np.array(image.convert("RGB"), dtype=np.uint8)
    if greys.signed_bytes:
        pixels ^= 128
    return pixels, None


def _scale_key(image: Image.Image, data: bytes) -> None:
    """Scale the transparent grey of a PNG of 2 or 4 bits as Pillow scales its pixels, and not the key."""
    depth, colour, key = data[24], data[25], image.info.get("transparency")
    if colour == 0 and depth in (2, 4) and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2**depth - 1)


def _clean(image: Image.Image, data: bytes) -> Image.Image:
    """Crop an AVIF to its clean aperture (ISO/IEC 14496-12, 12.1.4), which Pillow 12.3 passes over."""
    meta = data.find(b"meta")
    end = meta - 4 + int.from_bytes(data[meta - 4 : meta], "big")
    box_head = b"\0\0\0\x28clap"
    place = data.find(box_head, 0, end)
    if meta < 0 or place < 0:
        return image
    w_n, w_d, h_n, h_d, x_n, x_d, y_n, y_d = struct.unpack_from(">IIIIiIiI", data, place + 8)
    width, height = w_n / w_d, h_n / h_d
    left = (image.width - width) / 2 + x_n / x_d
    top = (image.height - height) / 2 + y_n / y_d
    box = tuple(round(edge) for edge in (left, top, left + width, top + height))
    if data.count(box_head, 0, end) > 1 or not (
        0 <= box[0] < box[2] <= image.width and 0 <= box[1] < box[3] <= image.height
    ):
        raise UnsupportedImageError("a kind of AVIF that is not read: its crop")
    image.load()
    return image.crop(box)


def _upright(image: Image.Image) -> Image.Image:
    for xmp in ("xmp", "XML:com.adobe.xmp"):
        # Pillow would turn by these where EXIF is silent; nothing else that shows photos does.
        image.info.pop(xmp, None)
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        # Damaged EXIF raises nearly anything; the pixels are whole, so the photo stays as it is stored.
        return image


def _webp_canvas(data: bytes) -> tuple[int, int]:
    """Return (width, height) from a WebP header (RFC 9649); (0, 0) if there is none."""
    head = data[:30].ljust(30, b"\0")
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
    return width & 0x3FFF, height & 0x3FFF


def silence_damaged_metadata() -> None:
    """Let Pillow read on where metadata are damaged, without a word on stderr."""
    if all(getattr(entry[3], "pattern", None) != _DAMAGED_METADATA for entry in warnings.filters):
        warnings.filterwarnings("ignore", module=_DAMAGED_METADATA)
