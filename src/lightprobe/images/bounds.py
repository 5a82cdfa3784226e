"""What bounds the time of a decoder, told from the file before it is called.

Decoders in C spend time for pixels, which are bounded, but for some parts of a file, too: scans of a JPEG,
chunks of a PNG. Pillow's readers step over comments and other blocks in Python. Files of the kinds here that
are photos have few of either; kinds that Pillow decodes in Python go to a process that can be stopped.
"""

import re
from typing import Final

from lightprobe.errors import DamagedImageError, UnsupportedImageError

# A PNG of 100 MB has 12,500 chunks of the usual 8 kB.
MOST_CHUNKS: Final = 50_000
# Metadata of a GIF come in blocks of at most 255 bytes, as XMP of some 100.
MOST_BLOCKS: Final = 50_000
_HEADER_BYTES: Final = 4096  # of a PPM, comments included

_GIF_PART: Final = re.compile(rb"[!,;]")
_GRAPHIC_CONTROL: Final = 0xF9
_PPM_HEADER: Final = re.compile(rb"P[456](?:(?:\s|#[^\r\n]*[\r\n])+\d+){2,3}\s")


def is_decoded_in_python(kind: str, data: bytes) -> bool:
    """Tell whether Pillow decodes a file step by step: PPM in letters or with a long header, BMP in runs."""
    if kind == "PPM":
        return data[:2] in (b"P1", b"P2", b"P3") or _PPM_HEADER.match(data[:_HEADER_BYTES]) is None
    return kind == "BMP" and int.from_bytes(data[14:18], "little") >= 40 and data[30:34] in _RUN_LENGTHS


_RUN_LENGTHS: Final = (b"\1\0\0\0", b"\2\0\0\0")


def require_few_chunks(png: bytes) -> None:
    """Raise UnsupportedImageError for a PNG of more chunks than any writer makes."""
    place, count = 8, 0
    while place < len(png):
        place += 12 + int.from_bytes(png[place : place + 4], "big")
        count += 1
        if count > MOST_CHUNKS:
            raise UnsupportedImageError(f"a kind of PNG that is not read: more than {MOST_CHUNKS:,} chunks")


def first_frame(gif: bytes) -> bytes:
    """Return a GIF without what comes before its first picture, but for how that is shown (GIF89a).

    Raises
    ------
    DamagedImageError
        If there is no picture.
    UnsupportedImageError
        If more comes before it than any writer makes.
    """
    head = 13 + (3 << (gif[10] & 7) + 1 if len(gif) > 10 and gif[10] & 0x80 else 0)
    control, blocks, place = b"", 0, head
    while (found := _GIF_PART.search(gif, place)) is not None:
        place = found.start()
        if gif[place] == ord(","):
            return b"".join((gif[:head], control, gif[place:]))
        if gif[place] == ord(";"):
            break
        start, place = place, place + 2
        while place < len(gif) and gif[place]:
            place += 1 + gif[place]
            blocks += 1
            if blocks > MOST_BLOCKS:
                raise UnsupportedImageError(
                    f"a kind of GIF that is not read: more than {MOST_BLOCKS:,} blocks of metadata"
                )
        place += 1
        blocks += 1
        if start + 1 < len(gif) and gif[start + 1] == _GRAPHIC_CONTROL:
            control = gif[start:place]
    raise DamagedImageError("damaged or truncated GIF")
