"""Images through Pillow: opened by what their bytes are, and made 8-bit RGB whatever their mode."""

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

from lightprobe.errors import ImageError

# Pillow warns of damaged metadata and goes on; it must not print, and warnings.catch_warnings is not safe
# beside other threads. The pattern is narrow: warnings of Pillow's other modules stay as they are.
_DAMAGED_METADATA = r"PIL\.(Tiff|Png|Jpeg)ImagePlugin$"


def _open_heif(file: BytesIO) -> Image.Image:
    try:
        from pi_heif import HeifImageFile
    except ImportError:
        raise ImageError("HEIC needs pip install 'lightprobe[heic]'") from None
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


def require_size(width: int, height: int, max_pixels: int) -> None:
    """Raise ImageError for a picture without pixels or with more than `max_pixels`."""
    if width < 1 or height < 1:
        raise ImageError(f"no pixels ({width} × {height})")
    if width * height > max_pixels:
        raise ImageError(f"{width} × {height} is over the limit of {max_pixels / 1e6:.0f} megapixels")


def decode_with_pillow(
    data: bytes, kind: str, max_pixels: int, draft: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Decode the first frame of an encoded image of format `kind`, upright, as (h, w, 3) uint8.

    `draft` (width, height) lets a JPEG be decoded at the smallest of the scales 1, 1/2, 1/4, 1/8 that
    is no smaller. Raises ImageError.
    """
    _silence_damaged_metadata()
    if kind == "WebP":
        # The decoder takes the whole canvas as it opens, so its size is read first.
        require_size(*_webp_canvas(data), max_pixels)
    try:
        with _OPENERS[kind](BytesIO(data)) as image:
            require_size(*image.size, max_pixels)
            if draft is not None:
                image.draft("RGB", draft)
            return to_rgb(image)
    except ImageError:
        raise
    except Exception:
        # On damaged bytes Pillow's readers raise nearly anything: OSError, SyntaxError, struct.error, ...
        raise ImageError(f"damaged or truncated {kind}") from None


def to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return a Pillow image upright as (h, w, 3) uint8.

    Transparency is composited over white. 16-bit grey v becomes v / 257, rounded. Wider integers are
    scaled from [0, 65535], floats from [0, 1], [0, 255] or [0, 65535], the first that holds them; if none
    does, from their own minimum and maximum.
    """
    image.load()
    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        grey = _eight_bits(np.asarray(image))
        key = image.info.get("transparency")
        if isinstance(key, int):
            grey[np.asarray(image) == key] = 255
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.mode in ("PA", "LA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        image = white
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        # Damaged EXIF raises nearly anything; the pixels are whole, so the photo stays as it is stored.
        return image


def _eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale grey values of any number type to 0..255."""
    if values.dtype == np.uint16:
        wide = values.astype(np.uint32)
        return ((wide + 128) // 257).astype(np.uint8)
    numbers = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(numbers.min()), float(numbers.max())
    ranges = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    top = next((limit for limit in ranges if low >= 0 and high <= limit), None)
    if top is None:
        numbers, top = numbers - low, high - low or 1.0
    return np.rint(numbers * (255.0 / top)).astype(np.uint8)


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


def _silence_damaged_metadata() -> None:
    if all(getattr(entry[3], "pattern", None) != _DAMAGED_METADATA for entry in warnings.filters):
        warnings.filterwarnings("ignore", module=_DAMAGED_METADATA)
