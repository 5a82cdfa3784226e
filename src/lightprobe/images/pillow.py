"""Images through Pillow: opened by what their bytes are, and made 8-bit RGB whatever their mode."""

import re
import struct
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from lightprobe.errors import DamagedImageError, ImageError, ImageTooLargeError, UnsupportedImageError
from lightprobe.images.bmp_runs import as_rle8
from lightprobe.images.bounds import first_frame, require_few_chunks
from lightprobe.images.exif import orientation_of
from lightprobe.images.greys import GreyFormat, GreyScale, extremes, read_grey_format

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
ORIENTATION_TAG: Final = 0x0112
# What a decoder and this file hold of a picture at most, at a time; photos that are turned take 3 more.
BYTES_A_PIXEL: Final = 12
_ALWAYS_ALLOWED_BYTES: Final = 1 << 28
_WEBP_BYTES_A_PIXEL: Final = 17  # two canvases, their bytes, and the image made of them
_STRIP_PIXELS: Final = 1 << 20  # that are converted at a time
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


def require_size(
    width: int, height: int, max_pixels: int, reduction: int = 1, bytes_a_pixel: int = BYTES_A_PIXEL
) -> None:
    """Raise for a picture without pixels, or of more than `max_pixels` where one in `reduction` is held.

    `bytes_a_pixel`: what decoding takes at most; of kinds that take more than `BYTES_A_PIXEL`, fewer pixels
    are allowed.
    """
    if width < 1 or height < 1 or max(width, height) >= 2**31:
        raise DamagedImageError(f"no pixels ({width} × {height})")
    if width * height > max_pixels * reduction:
        raise ImageTooLargeError(f"{width} × {height} is over the limit of {max_pixels / 1e6:.0f} megapixels")
    allowed = max(max_pixels * BYTES_A_PIXEL, _ALWAYS_ALLOWED_BYTES)
    if width * height * bytes_a_pixel > allowed * reduction:
        most = allowed / bytes_a_pixel
        raise ImageTooLargeError(
            f"{width} × {height} of this kind is over the limit of {most / 1e6:.0f} megapixels, "
            f"as it takes {bytes_a_pixel} bytes a pixel"
        )


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
        require_size(*_webp_canvas(data), max_pixels, bytes_a_pixel=_WEBP_BYTES_A_PIXEL)
    if kind == "PNG":
        require_few_chunks(data)
    if kind == "GIF":
        data = first_frame(data)
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
    except MemoryError:
        raise ImageTooLargeError("needs more memory to decode than is allowed") from None
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
    """Convert strip by strip: beside the image as its decoder left it there are 3 bytes a pixel, no more."""
    image.load()
    orientation = _orientation(image)
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    white = None
    if image.mode.startswith("I") or image.mode == "F":
        scale = _grey_scale(image, greys)
        key = image.info.get("transparency")
        for top, strip in _strips(image):
            values = _grey_values(strip, greys)
            grey = scale(values)
            if greys.white_is_zero:
                grey = 255 - grey
            if isinstance(key, int):
                grey[values == key] = 255
            pixels[top : top + len(grey)] = grey[:, :, np.newaxis]
        white = scale.white
    else:
        for top, strip in _strips(image):
            pixels[top : top + strip.height] = _strip_to_rgb(strip)
        if greys.signed_bytes:
            pixels ^= 128
    return turn_upright(pixels, orientation), white


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield an image in parts of whole rows, each with its first row's number."""
    rows = max(1, _STRIP_PIXELS // image.width)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _strip_to_rgb(strip: Image.Image) -> NDArray[np.uint8]:
    if strip.mode in ("PA", "LA", "La", "RGBA", "RGBa") or "transparency" in strip.info:
        strip = strip.convert("RGBA")
        white_paper = Image.new("RGB", strip.size, (255, 255, 255))
        white_paper.paste(strip, mask=strip.getchannel("A"))
        strip = white_paper
    return np.asarray(strip.convert("RGB"), dtype=np.uint8)


def _grey_values(strip: Image.Image, greys: GreyFormat) -> NDArray[Any]:
    values = np.asarray(strip)
    return values.view(np.uint32) if greys.unsigned and values.dtype == np.int32 else values


def _grey_scale(image: Image.Image, greys: GreyFormat) -> GreyScale:
    """Find what is black and white in a whole image of wide greys."""
    ends = [extremes(_grey_values(strip, greys)) for _, strip in _strips(image)]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return GreyScale.of(low, high, image.mode == "F", greys.white)


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


def _orientation(image: Image.Image) -> int:
    """Return how the image is turned, 1 to 8, by EXIF; XMP is passed over, as by all that shows photos."""
    exif = image.info.get("exif")
    if isinstance(exif, bytes):
        return orientation_of(exif)
    profile = image.info.get("Raw profile type exif")
    try:
        if isinstance(profile, str):  # as ImageMagick writes it: name, length, digits
            return orientation_of(bytes.fromhex("".join(profile.split("\n")[3:])))
        for xmp in ("xmp", "XML:com.adobe.xmp"):
            image.info.pop(xmp, None)  # Pillow would turn by these where EXIF is silent
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:
        # Damaged EXIF raises nearly anything; the pixels are whole, so the photo stays as it is stored.
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an orientation: 5 to 8 swap the axes, then rows or columns are mirrored."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


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
