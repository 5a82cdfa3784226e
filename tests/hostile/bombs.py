"""Small files that cost decoders much time or memory, made by code."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from PIL import Image

SIDE: Final = 9_400  # a little below the limit of pixels


def jpeg_of_many_scans() -> bytes:
    """A progressive JPEG in which one refining scan is repeated; some 75 bytes each, for every block."""
    content = _encoded(_flat(SIDE, "L"), "JPEG", progressive=True)
    last = content.rfind(b"\xff\xda")
    scan = content[last:-2]
    return content[:last] + scan * (500_000 // len(scan)) + b"\xff\xd9"


def jpeg_of_many_segments() -> bytes:
    """Five million empty comments."""
    content = _encoded(_flat(64, "RGB"), "JPEG")
    return content[:2] + b"\xff\xfe\x00\x02" * 5_000_000 + content[2:]


def jpeg_of_stray_bytes() -> bytes:
    """Ten million FF 00 between two segments."""
    content = _encoded(_flat(64, "RGB"), "JPEG")
    return content[:2] + b"\xff\x00" * 10_000_000 + content[2:]


def jpeg_of_stray_markers() -> bytes:
    """Five million restart markers where there is nothing to restart."""
    content = _encoded(_flat(64, "RGB"), "JPEG")
    return content[:2] + b"\xff\xd0" * 5_000_000 + content[2:]


def jpeg_with_a_hostile_exif() -> bytes:
    """A directory of 5,000 entries, each of which points at the same 50 kB."""
    entries = b"".join(struct.pack("<HHII", 0x9000 + n, 7, 50_000, 8) for n in range(5_000))
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 5_000) + entries
    content = _encoded(_flat(64, "RGB"), "JPEG")
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]


def progressive_jpeg_at_the_limit() -> bytes:
    """Coefficients of the whole picture are held until the last scan."""
    return _encoded(_flat(SIDE, "RGB"), "JPEG", progressive=True, subsampling=0)


def gif_of_many_comments() -> bytes:
    """Three million comments before the picture."""
    content = _encoded(_flat(64, "P"), "GIF")
    start = 13 + (3 << (content[10] & 7) + 1)
    return content[:start] + b"!\xfe\x01x\x00" * 3_000_000 + content[start:]


def gif_of_one_long_comment() -> bytes:
    """Four million blocks of one comment."""
    content = _encoded(_flat(64, "P"), "GIF")
    start = 13 + (3 << (content[10] & 7) + 1)
    return content[:start] + b"!\xfe" + b"\x01x" * 4_000_000 + b"\x00" + content[start:]


def gif_of_junk() -> bytes:
    """Ten million bytes before the picture that begin no block."""
    content = _encoded(_flat(64, "P"), "GIF")
    start = 13 + (3 << (content[10] & 7) + 1)
    return content[:start] + bytes(10_000_000) + content[start:]


def png_at_the_limit() -> bytes:
    """As many transparent pixels as are allowed."""
    return _encoded(_flat(SIDE, "RGBA"), "PNG", compress_level=9)


def png_of_many_chunks() -> bytes:
    """A million empty chunks of pixels."""
    content = _encoded(_flat(64, "RGB"), "PNG")
    empty = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
    return content[:33] + empty * 1_000_000 + content[33:]


def png_with_texts_that_inflate() -> bytes:
    """Two thousand compressed texts of a megabyte each."""
    text = b"k\0\0" + zlib.compress(bytes(1 << 20), 9)
    chunk = struct.pack(">I4s", len(text), b"zTXt") + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    content = _encoded(_flat(64, "RGB"), "PNG")
    return content[:33] + chunk * 2_000 + content[33:]


def webp_at_the_limit() -> bytes:
    """Some kilobytes for as many pixels as are allowed."""
    return _encoded(_flat(SIDE, "RGB"), "WEBP", lossless=True, method=0)


def tiff_of_floats() -> bytes:
    """As many numbers of four bytes as there may be pixels."""
    image = Image.fromarray(np.zeros((SIDE, SIDE), np.float32))
    return _encoded(image, "TIFF", compression="tiff_deflate")


def tiff_of_many_directories() -> bytes:
    """A directory that is followed by itself."""
    content = bytearray(_encoded(_flat(64, "L"), "TIFF"))
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    struct.pack_into("<I", content, start + 2 + 12 * count, start)
    return bytes(content)


def bmp_of_runs() -> bytes:
    """Ten million runs of one pixel, which Pillow decodes one by one."""
    side = 3_000
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, 0, 0, 0, 256, 0)
    palette = bytes(1024)
    start = 14 + len(head) + len(palette)
    runs = b"\x01\x00" * (side * side) + b"\x00\x01"
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + palette + runs


def ppm_in_letters() -> bytes:
    """Nine million numbers as text."""
    side = 3_000
    return b"P2\n%d %d\n255\n" % (side, side) + b"0 " * (side * side)


def ppm_of_a_long_comment() -> bytes:
    """Twenty megabytes of comment in the header, and blanks that a careless pattern tries in every way."""
    return b"P5\n#" + b"x" * 20_000_000 + b"\n" + b" " * 60 + b"64 64\n255\n" + bytes(64 * 64)


def avif_at_the_limit() -> bytes:
    """Some kilobytes for as many pixels as are allowed."""
    return _encoded(_flat(SIDE, "RGB"), "AVIF", speed=10)


BOMBS: Final[Mapping[str, Callable[[], bytes]]] = {
    make.__name__: make
    for make in (
        jpeg_of_many_scans, jpeg_of_many_segments, jpeg_of_stray_bytes, jpeg_of_stray_markers,
        jpeg_with_a_hostile_exif, progressive_jpeg_at_the_limit, gif_of_many_comments,
        gif_of_one_long_comment, gif_of_junk, png_at_the_limit, png_of_many_chunks,
        png_with_texts_that_inflate, webp_at_the_limit, tiff_of_floats, tiff_of_many_directories,
        bmp_of_runs, ppm_in_letters, ppm_of_a_long_comment, avif_at_the_limit,
    )
}  # fmt: skip


def _flat(side: int, mode: str) -> Image.Image:
    return Image.new(mode, (side, side))


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
