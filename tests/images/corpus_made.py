"""Files of every variant that a format's standard allows, made by code, with the pixels they must give.

The pixels follow from how a file was made, so no decoder is the judge. Every picture is the same smooth one,
which the lossy formats keep closely.
"""

import base64
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 96, 64

SHOWN, DAMAGED, UNSUPPORTED = frozenset({"shown"}), frozenset({"damaged"}), frozenset({"unsupported"})
# Valid, but rare enough that a clear word is as good as the picture. If it is shown, it must be right.
SHOWN_OR_UNSUPPORTED = SHOWN | UNSUPPORTED


@dataclass(frozen=True)
class Made:
    """A file, the verdicts that are right for it, and its pixels (h, w, 3), None where there are none."""

    name: str
    data: bytes
    verdicts: frozenset[str]
    pixels: NDArray[np.uint8] | None = None


def colours() -> NDArray[np.uint8]:
    """Return the (64, 96, 3) picture: no two corners, axes or channels are alike."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray(np.stack([30 + x + y, 200 - x + y // 2, 40 + 3 * y], axis=2), dtype=np.uint8)


def greys() -> NDArray[np.uint8]:
    """Return the (64, 96) picture in grey."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray(2 * x + y, dtype=np.uint8)


def made_files() -> Iterator[Made]:
    """Yield every file."""
    yield from _jpegs()
    yield from _damaged_jpegs()
    yield from _pngs()
    yield from _bmps()
    yield from _tiffs()
    yield from _others()


def _rgb(grey: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(np.repeat(grey[:, :, np.newaxis], 3, axis=2), dtype=np.uint8)


def _pillow(image: Image.Image | NDArray[Any], kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


# JPEG (ITU T.81)


def _jpegs() -> Iterator[Made]:
    photo, grey = Image.fromarray(colours()), Image.fromarray(greys())
    variants: dict[str, dict[str, Any]] = {
        "baseline": {},
        "optimized": {"optimize": True},
        "progressive": {"progressive": True},
        "restart-rows": {"restart_marker_rows": 1},
        "restart-blocks": {"restart_marker_blocks": 1},
        "progressive-restart": {"progressive": True, "restart_marker_rows": 1},
        "no-jfif-rgb": {"keep_rgb": True},
        "comment": {"comment": b"FF D9 \xff\xd9"},
        "icc": {"icc_profile": bytes(70000)},
    }
    for name, options in variants.items():
        yield Made(f"jpeg/{name}.jpg", _pillow(photo, "JPEG", quality=95, **options), SHOWN, colours())
        if "rgb" not in name:
            data = _pillow(grey, "JPEG", quality=95, **options)
            yield Made(f"jpeg/grey-{name}.jpg", data, SHOWN, _rgb(greys()))
    for sampling in ((1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4), (4, 2), (2, 4)):
        verdicts = SHOWN_OR_UNSUPPORTED if sampling in ((4, 2), (2, 4)) else SHOWN
        yield Made(f"jpeg/sampled-{sampling[0]}x{sampling[1]}.jpg", _sampled(*sampling), verdicts, colours())
    ink = 255 - colours()
    cmyk = Image.merge(
        "CMYK", [*(Image.fromarray(ink[:, :, i]) for i in range(3)), Image.new("L", photo.size)]
    )
    data = _pillow(cmyk, "JPEG", quality=95)
    yield Made("jpeg/cmyk-adobe-inverted.jpg", data, SHOWN, colours())
    yield Made("jpeg/ycck-adobe-inverted.jpg", _ycck(), SHOWN, colours())
    for orientation in range(1, 9):
        data = _pillow(photo, "JPEG", quality=95, exif=exif(orientation))
        yield Made(f"jpeg/orientation-{orientation}.jpg", data, SHOWN, upright(colours(), orientation))
    # An XMP packet is no EXIF: the picture stays as it is stored, at every scale.
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    yield Made("jpeg/xmp-orientation.jpg", _pillow(photo, "JPEG", quality=95, xmp=xmp), SHOWN, colours())
    yield Made("jpeg/arithmetic.jpg", base64.b64decode(_ARITHMETIC), SHOWN_OR_UNSUPPORTED, _ramp())
    yield Made(
        "jpeg/arithmetic-progressive.jpg", base64.b64decode(_ARITHMETIC_P), SHOWN_OR_UNSUPPORTED, _ramp()
    )
    yield Made("jpeg/twelve-bits.jpg", base64.b64decode(_TWELVE_BITS), SHOWN_OR_UNSUPPORTED, _ramp())
    for components, side in ((1, 400), (1, 40), (3, 400)):
        flat = np.full((side, side, 3), 128, np.uint8)
        data = _lossless(side, side, components)
        yield Made(f"jpeg/lossless-{components}-{side}.jpg", data, SHOWN_OR_UNSUPPORTED, flat)
    plain = _pillow(photo, "JPEG", quality=95)
    table = plain.index(b"\xff\xdb")
    for name, stray in {
        "byte": b"\0",
        "line-feeds": b"\n" * 7,
        "stuffed": b"\xff\0",
        "fill": b"\xff\xff\xff",
        "no-marker": b"\0\xe1\0\x06abcd",
        "short-comment": b"\xff\xfe\0\3hello",
    }.items():
        yield Made(f"jpeg/stray-{name}.jpg", plain[:table] + stray + plain[table:], SHOWN, colours())
    yield Made("jpeg/no-end-marker.jpg", plain[:-2], SHOWN, colours())
    yield Made("jpeg/half-an-end-marker.jpg", plain[:-1], SHOWN, colours())
    for name, tail in {"zeros": bytes(5000), "text": b"trailer" * 90, "second": plain}.items():
        yield Made(f"jpeg/whole-then-{name}.jpg", plain + tail, SHOWN, colours())
    tall, wide = (1, 300), (300, 1)
    for width, height in (tall, wide, (1, 1), (7, 9), (17, 16)):
        image = np.full((height, width, 3), (200, 120, 40), np.uint8)
        yield Made(f"jpeg/size-{width}x{height}.jpg", _pillow(image, "JPEG", quality=95), SHOWN, image)


def _damaged_jpegs() -> Iterator[Made]:
    noise = np.random.default_rng(0).integers(0, 60, colours().shape)
    photo = Image.fromarray((colours() // 2 + noise).astype(np.uint8))
    kinds: dict[str, dict[str, Any]] = {
        "baseline": {},
        "progressive": {"progressive": True},
        "restart": {"restart_marker_rows": 1},
    }
    for kind, options in kinds.items():
        whole = _pillow(photo, "JPEG", quality=90, **options)
        scan = whole.index(b"\xff\xda")
        for share in (0.05, 0.3, 0.6, 0.9):
            cut = scan + 20 + int(share * (len(whole) - scan - 20))
            left = whole[:cut]
            yield Made(f"jpeg/{kind}-cut-{share}.jpg", left, DAMAGED)
            yield Made(f"jpeg/{kind}-zeros-from-{share}.jpg", left + bytes(len(whole) - cut), DAMAGED)
            # libjpeg fills what is missing with grey and only warns; viewers show it.
            ended = left + bytes(len(whole) - cut - 2) + b"\xff\xd9"
            yield Made(f"jpeg/{kind}-zeros-then-end-from-{share}.jpg", ended, SHOWN | DAMAGED)
            yield Made(f"jpeg/{kind}-cut-{share}-then-end.jpg", left + b"\xff\xd9", SHOWN | DAMAGED)
        yield Made(f"jpeg/{kind}-header-only.jpg", whole[:scan], DAMAGED)
        yield Made(f"jpeg/{kind}-start-only.jpg", whole[:2], DAMAGED | UNSUPPORTED)


def exif(orientation: int) -> bytes:
    """Return an EXIF block of the one tag (Exif 2.32, 4.6.4)."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0II" + struct.pack("<HIH", 42, 8, 1) + entry + bytes(4)


def upright(stored: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return what a viewer shows: the tag says where the stored first row and first column belong."""
    rows_first = {1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left"}
    columns_first = {5: "top left", 6: "top right", 7: "bottom right", 8: "bottom left"}
    place = rows_first.get(orientation) or columns_first[orientation]
    shown = stored if orientation in rows_first else stored.transpose(1, 0, 2)
    if "bottom" in place:
        shown = shown[::-1]
    return shown[:, ::-1] if "right" in place else shown


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _lossless(width: int, height: int, components: int) -> bytes:
    """Return process 14 (SOF3), predictor 1, every sample 128: each difference is 0, a code of one bit."""
    frame = struct.pack(">BHHB", 8, height, width, components)
    frame += b"".join(bytes([i + 1, 0x11, 0]) for i in range(components))
    scan = bytes([components]) + b"".join(bytes([i + 1, 0]) for i in range(components)) + bytes([1, 0, 0])
    n_bits = width * height * components
    coded = bytes((n_bits + 7) // 8 - 1) + bytes([(1 << (-n_bits % 8)) - 1])
    adobe = _segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") if components == 3 else b""
    table = _segment(0xC4, bytes([0, 1, *[0] * 15, 0]))
    return b"\xff\xd8" + adobe + _segment(0xC3, frame) + table + _segment(0xDA, scan) + coded + b"\xff\xd9"


def _ycck() -> bytes:
    """Return YCCK as Adobe stores it: YCC of the negative, and the black ink inverted (ITU-T T.872)."""
    negative = Image.fromarray(255 - colours()).convert("YCbCr")
    planes = [*negative.split(), Image.new("L", negative.size, 255)]
    stored = Image.merge("CMYK", [plane.point(lambda value: 255 - value) for plane in planes])
    data = bytearray(_pillow(stored, "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


# Codes of the Huffman tables below: a category of DC difference or AC (run, size) is coded in 4 or 8 bits.
def _sampled(across: int, down: int) -> bytes:
    """Return a baseline JPEG whose chroma has 1/`across` of the columns and 1/`down` of the rows.

    Written block by block with DC terms alone, each 8 × 8 block flat, so the picture is the smooth one in
    steps; what is coded is exactly known whatever the sampling.
    """
    steps = colours().astype(float)
    luma = steps @ (0.299, 0.587, 0.114)
    blue, red = (steps[:, :, 2] - luma) / 1.772, (steps[:, :, 0] - luma) / 1.402
    planes = [(luma - 128, across, down), (blue, 1, 1), (red, 1, 1)]
    columns, rows = -(-WIDTH // (8 * across)), -(-HEIGHT // (8 * down))
    grids = []
    for plane, h, v in planes:
        tall, wide = rows * v, columns * h
        # Each sample of the component covers this many pixels.
        sx, sy = across // h, down // v
        padded = np.pad(plane, ((0, tall * 8 * sy - HEIGHT), (0, wide * 8 * sx - WIDTH)), mode="edge")
        samples = padded.reshape(tall * 8, sy, wide * 8, sx).mean((1, 3))
        grids.append((samples.reshape(tall, 8, wide, 8).transpose(0, 2, 1, 3), h, v))
    basis = np.array(
        [
            [np.sqrt((1 if u == 0 else 2) / 8) * np.cos((2 * x + 1) * u * np.pi / 16) for x in range(8)]
            for u in range(8)
        ]
    )
    bits: list[str] = []
    last = [0, 0, 0]
    for row in range(rows):
        for column in range(columns):
            for index, (blocks, h, v) in enumerate(grids):
                for y in range(v):
                    for x in range(h):
                        block = basis @ blocks[row * v + y, column * h + x] @ basis.T
                        terms = np.rint(block).astype(int).reshape(64)[_ZIGZAG]
                        bits.append(_coded(terms, last[index]))
                        last[index] = int(terms[0])
    joined = "".join(bits)
    joined += "1" * (-len(joined) % 8)
    coded = int(joined, 2).to_bytes(len(joined) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = struct.pack(">BHHB", 8, HEIGHT, WIDTH, 3)
    frame += bytes([1, across << 4 | down, 0, 2, 0x11, 0, 3, 0x11, 0])
    # 12 categories in 4 bits; the 162 AC symbols in 8 bits: both short of the all-ones code.
    dc = bytes([0, 0, 0, 0, 12, *[0] * 12, *range(12)])
    ac = bytes([0x10, *[0] * 7, len(_AC), *[0] * 8, *_AC])
    return (
        b"\xff\xd8"
        + _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
        + _segment(0xDB, bytes([0, *[1] * 64]))
        + _segment(0xC0, frame)
        + _segment(0xC4, dc)
        + _segment(0xC4, ac)
        + _segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0]))
        + coded
        + b"\xff\xd9"
    )


_ZIGZAG = sorted(range(64), key=lambda k: (k // 8 + k % 8, k // 8 if (k // 8 + k % 8) % 2 else k % 8))
_AC = [0x00, 0xF0, *(run << 4 | size for run in range(16) for size in range(1, 11))]


def _coded(terms: NDArray[np.int64], last: int) -> str:
    def magnitude(value: int) -> tuple[int, str]:
        size = int(abs(value)).bit_length()
        stored = value if value > 0 else value + (1 << size) - 1
        return size, f"{stored:0{size}b}" if size else ""

    size, tail = magnitude(int(terms[0]) - last)
    bits = f"{size:04b}{tail}"
    run = 0
    ends = max((k for k in range(1, 64) if terms[k]), default=0)
    for k in range(1, ends + 1):
        if terms[k] == 0:
            run += 1
            continue
        while run > 15:
            bits += f"{_AC.index(0xF0):08b}"
            run -= 16
        size, tail = magnitude(int(terms[k]))
        bits += f"{_AC.index(run << 4 | size):08b}{tail}"
        run = 0
    return bits + (f"{0:08b}" if ends < 63 else "")


def _ramp() -> NDArray[np.uint8]:
    """Return the picture of the three files below, which were encoded once by libjpeg-turbo 3."""
    y, x = np.mgrid[:16, :24]
    return _rgb(60 + 6 * x + 3 * y)


_ARITHMETIC = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQ"
    "ERMUFRUVDA8XGBYUGBIUFRT/yQALCAAQABgBAREA/8wABgAQEAX/2gAIAQEAAD8A/wDO69nBDBUyFlWfSaY7Dh28C5PXPD7H"
    "mHN0VwtXUP/Z"
)
_ARITHMETIC_P = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQ"
    "ERMUFRUVDA8XGBYUGBIUFRT/ygALCAAQABgBAREA/8wABAAQ/9oACAEBAAAAAf8AncRjQzO8sP/MAAQQBf/aAAgBAQABBQIV"
    "9/3DSyhg4dcYgP/MAAQQBf/aAAgBAQAGPwIC5P/MAAQQBf/aAAgBAQABPyHTQF3Q/9oACAEBAAAAEP7/zAAEEAX/2gAIAQEA"
    "AT8Q0x6Q/9k="
)
_TWELVE_BITS = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQ"
    "ERMUFRUVDA8XGBYUGBIUFRT/wQALDAAQABgBAREA/8QAFQABAQAAAAAAAAAAAAAAAAAADAv/xAAbEAAABwEAAAAAAAAAAAAA"
    "AAAACQolNkNTcf/aAAgBAQAAPwCPUiUJKgTBhVwIAEShJUCYMKuBAAiUJKgTBhVwD/0ShJUCYMKuBAAiUJKgTBhVwIAEShJU"
    "CYMKuD//2Q=="
)


# PNG (ISO/IEC 15948)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(
    samples: NDArray[Any], depth: int, colour: int, *, interlaced: bool = False, before: bytes = b""
) -> bytes:
    """Return samples (h, w, channels) as PNG; `before` are the chunks in front of the pixels."""
    height, width = samples.shape[:2]

    def packed(part: NDArray[Any]) -> bytes:
        if not part.size:
            return b""
        rows = part.reshape(part.shape[0], -1)
        if depth == 16:
            coded = rows.astype(">u2").view(np.uint8)
        elif depth == 8:
            coded = rows.astype(np.uint8)
        else:
            bits = (rows[:, :, np.newaxis] >> np.arange(depth - 1, -1, -1)) & 1
            coded = np.packbits(bits.astype(np.uint8).reshape(rows.shape[0], -1), axis=1)
        return np.pad(coded, ((0, 0), (1, 0))).tobytes()

    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    parts = passes if interlaced else [(0, 0, 1, 1)]
    rows = b"".join(packed(samples[top::down, left::across]) for top, left, down, across in parts)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    pixels = _chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + before + pixels + _chunk(b"IEND", b"")


def _pngs() -> Iterator[Made]:
    grey, photo = greys()[:, :, np.newaxis], colours()
    for interlaced in (False, True):
        mark = "-interlaced" if interlaced else ""
        for depth in (1, 2, 4, 8, 16):
            top = 2**depth - 1
            levels = grey.astype(int) * (257 if depth == 16 else 1) >> max(0, 8 - depth)
            shown = _rgb(np.rint(levels[:, :, 0] * (255 / top)))
            data = _png(levels, depth, 0, interlaced=interlaced)
            yield Made(f"png/grey-{depth}{mark}.png", data, SHOWN, shown)
            key = int(levels[20, 30, 0])
            keyed = np.where(levels == key, 255, shown).astype(np.uint8)
            data = _png(
                levels, depth, 0, interlaced=interlaced, before=_chunk(b"tRNS", struct.pack(">H", key))
            )
            yield Made(f"png/grey-{depth}-keyed{mark}.png", data, SHOWN, keyed)
            if depth <= 8:
                # A palette that is not grey and not in order, its first entries partly transparent.
                table = np.random.default_rng(depth).integers(0, 256, (top + 1, 3))
                plte = _chunk(b"PLTE", table.astype(np.uint8).tobytes())
                data = _png(levels, depth, 3, interlaced=interlaced, before=plte)
                shown = table[levels[:, :, 0]].astype(np.uint8)
                yield Made(f"png/palette-{depth}{mark}.png", data, SHOWN, shown)
                alpha = np.r_[[0, 128], np.full(top - 1, 255)]
                trns = _chunk(b"tRNS", alpha[:2].astype(np.uint8).tobytes())
                data = _png(levels, depth, 3, interlaced=interlaced, before=plte + trns)
                shown = _over_white(table, alpha[:, np.newaxis])[levels[:, :, 0]]
                yield Made(f"png/palette-{depth}-alpha{mark}.png", data, SHOWN, shown)
        alpha = (255 - 2 * greys()[:, :, np.newaxis].astype(int) // 2).clip(0, 255)
        for depth in (8, 16):
            by = 257 if depth == 16 else 1
            for colour, base in ((2, photo), (4, grey), (6, photo)):
                full = base.astype(int) * by
                if colour >= 4:
                    full = np.concatenate([full, alpha * by], axis=2)
                shown = np.broadcast_to(base, photo.shape)
                if colour >= 4:
                    shown = _over_white(shown, alpha)
                name = {2: "colour", 4: "grey-alpha", 6: "colour-alpha"}[colour]
                data = _png(full, depth, colour, interlaced=interlaced)
                yield Made(f"png/{name}-{depth}{mark}.png", data, SHOWN, shown)
            key = photo[20, 30].astype(int) * by
            trns = _chunk(b"tRNS", struct.pack(">3H", *key))
            data = _png(photo.astype(int) * by, depth, 2, interlaced=interlaced, before=trns)
            shown = photo.copy()
            shown[20, 30] = 255
            yield Made(f"png/colour-{depth}-keyed{mark}.png", data, SHOWN, shown)
    # Significant bits say how precise the samples are; they are stored scaled to the full depth.
    for name, samples, colour, bits in (
        ("grey", grey >> 2 << 2 | grey >> 6, 0, b"\6"),
        ("colour", photo >> 3 << 3 | photo >> 5, 2, b"\5\5\5"),
    ):
        data = _png(samples, 8, colour, before=_chunk(b"sBIT", bits))
        yield Made(f"png/sbit-{name}.png", data, SHOWN, np.broadcast_to(samples, photo.shape))
    for orientation in range(1, 9):
        data = _png(photo, 8, 2, before=_chunk(b"eXIf", exif(orientation)[6:]))
        yield Made(f"png/orientation-{orientation}.png", data, SHOWN, upright(photo, orientation))
    whole = _png(photo, 8, 2)
    yield Made("png/no-end-chunk.png", whole[:-12], SHOWN, photo)
    yield Made("png/half-an-end-chunk.png", whole[:-6], SHOWN, photo)
    yield Made("png/trailer.png", whole + b"trailer" * 9, SHOWN, photo)
    text = _chunk(b"zTXt", b"Comment\0\7nonsense")
    yield Made("png/broken-text-chunk.png", _png(photo, 8, 2, before=text), SHOWN, photo)
    bomb = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000)))
    yield Made("png/large-text-chunk.png", _png(photo, 8, 2, before=bomb), SHOWN, photo)
    for share in (0.2, 0.5, 0.9):
        cut = whole[: int(len(whole) * share)]
        yield Made(f"png/cut-{share}.png", cut, DAMAGED)
        yield Made(f"png/zeros-from-{share}.png", cut + bytes(len(whole) - len(cut)), DAMAGED)


def _over_white(colour: NDArray[Any], alpha: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(255 + (colour.astype(float) - 255) * (alpha / 255)).astype(np.uint8)


# BMP (the Windows bitmap headers of 40 and 56 bytes)


def _bmp(
    rows: bytes,
    bits: int,
    *,
    compression: int = 0,
    palette: NDArray[Any] | None = None,
    masks: tuple[int, ...] = (),
    top_down: bool = False,
) -> bytes:
    table = b""
    if palette is not None:
        table = np.pad(palette[:, ::-1], ((0, 0), (0, 1))).astype(np.uint8).tobytes()
    fields = struct.pack(f"<{len(masks)}I", *masks)
    size = 40 + (len(fields) if len(masks) == 4 else 0)
    start = 14 + 40 + len(fields) + len(table)
    n_colours = 0 if palette is None else len(palette)
    height = -HEIGHT if top_down else HEIGHT
    head = struct.pack(
        "<IiiHHIIiiII", size, WIDTH, height, 1, bits, compression, len(rows), 0, 0, n_colours, 0
    )
    return struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start) + head + fields + table + rows


def _lines(coded: NDArray[Any], top_down: bool = False) -> bytes:
    coded = coded.reshape(coded.shape[0], -1)
    padded = np.pad(coded, ((0, 0), (0, -coded.shape[1] % 4))).astype(np.uint8)
    return (padded if top_down else padded[::-1]).tobytes()


def _bmps() -> Iterator[Made]:
    photo, grey = colours(), greys()
    for bits in (1, 4, 8):
        levels = grey >> (8 - bits)
        palette = np.random.default_rng(bits).integers(0, 256, (2**bits, 3)).astype(np.uint8)
        each = (levels[:, :, np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
        packed = np.packbits(each.reshape(HEIGHT, -1), axis=1)
        for top_down in (False, True):
            data = _bmp(_lines(packed, top_down), bits, palette=palette, top_down=top_down)
            name = f"bmp/palette-{bits}{'-top-down' if top_down else ''}.bmp"
            yield Made(name, data, SHOWN, palette[levels])
    # Steps of a few pixels, so that there are runs; in the second, every other run is written out.
    for bits, compression in ((4, 2), (8, 1)):
        steps = (grey >> 4) if bits == 4 else grey >> 3
        palette = np.random.default_rng(9).integers(0, 256, (2**bits, 3)).astype(np.uint8)
        for literal in (False, True):
            coded = _run_lengths(steps, bits, literal)
            name = f"bmp/rle{bits}{'-literal' if literal else ''}.bmp"
            data = _bmp(coded, bits, compression=compression, palette=palette)
            yield Made(name, data, SHOWN_OR_UNSUPPORTED if bits == 4 else SHOWN, palette[steps])
    for top_down in (False, True):
        mark = "-top-down" if top_down else ""
        data = _bmp(_lines(photo[:, :, ::-1], top_down), 24, top_down=top_down)
        yield Made(f"bmp/colour-24{mark}.bmp", data, SHOWN, photo)
        fourth = np.pad(photo[:, :, ::-1], ((0, 0), (0, 0), (0, 1)))
        data = _bmp(_lines(fourth, top_down), 32, top_down=top_down)
        yield Made(f"bmp/colour-32{mark}.bmp", data, SHOWN, photo)
    for name, widths, masked in (
        ("555", (5, 5, 5), False),
        ("555-fields", (5, 5, 5), True),
        ("565-fields", (5, 6, 5), True),
        ("444-fields", (4, 4, 4), True),
        ("888-in-32-fields", (8, 8, 8), True),
        ("101010-in-32-fields", (10, 10, 10), True),
    ):
        shifts = (widths[1] + widths[2], widths[2], 0)
        fields = [np.rint(photo[:, :, i] / 255 * (2 ** widths[i] - 1)).astype(np.uint32) for i in range(3)]
        shown = np.stack([np.rint(fields[i] * (255 / (2 ** widths[i] - 1))) for i in range(3)], axis=2)
        word = sum(fields[i] << shifts[i] for i in range(3))
        kind = "<u4" if "32" in name else "<u2"
        rows = _lines(np.asarray(word).astype(kind).view(np.uint8))
        masks = tuple(2 ** widths[i] - 1 << shifts[i] for i in range(3)) if masked else ()
        data = _bmp(rows, 32 if "32" in name else 16, compression=3 if masked else 0, masks=masks)
        rare = name[:3] not in ("555", "565", "888")
        yield Made(f"bmp/{name}.bmp", data, SHOWN_OR_UNSUPPORTED if rare else SHOWN, shown.astype(np.uint8))
    # 4 bits each and 4 of alpha, opaque.
    four = np.rint(photo / 17).astype(np.uint32)
    word = 0xF000 | four[:, :, 0] << 8 | four[:, :, 1] << 4 | four[:, :, 2]
    rows = _lines(word.astype("<u2").view(np.uint8))
    data = _bmp(rows, 16, compression=3, masks=(0xF00, 0xF0, 0xF, 0xF000))
    yield Made("bmp/4444-fields.bmp", data, SHOWN_OR_UNSUPPORTED, (four * 17).astype(np.uint8))
    inside = _pillow(photo, "PNG")
    yield Made("bmp/png-inside.bmp", _bmp(inside, 0, compression=5), SHOWN_OR_UNSUPPORTED, photo)
    whole = _bmp(_lines(photo[:, :, ::-1]), 24)
    yield Made("bmp/cut.bmp", whole[: len(whole) // 2], DAMAGED)
    yield Made("bmp/header-only.bmp", whole[:54], DAMAGED)


def _run_lengths(levels: NDArray[Any], bits: int, literal: bool) -> bytes:
    coded = bytearray()
    for row in levels[::-1]:
        place = 0
        count = 0
        while place < len(row):
            end = place
            while end < len(row) and row[end] == row[place] and end - place < 255:
                end += 1
            count += 1
            if literal and count % 2 and len(row) - place >= 7:
                # Seven pixels as they are, filled up to whole words.
                written = row[place : place + 7]
                coded += bytes([0, 7])
                if bits == 8:
                    body = written.tobytes()
                else:
                    padded = [*written.tolist(), 0]
                    body = bytes(padded[i] << 4 | padded[i + 1] for i in range(0, 8, 2))
                coded += body + bytes(len(body) % 2)
                place += 7
            else:
                value = int(row[place])
                coded += bytes([end - place, value if bits == 8 else value * 17])
                place = end
        coded += b"\0\0"
    return bytes(coded) + b"\0\1"


# TIFF 6.0


def _tiff(
    samples: NDArray[Any],
    photometric: int,
    *,
    order: Literal["<", ">"] = "<",
    planar: bool = False,
    tile: int = 0,
    rows: int = 0,
    extra: int | None = None,
    palette: NDArray[Any] | None = None,
    bits: int = 0,
    orientation: int = 0,
) -> bytes:
    """Return samples (h, w, channels) uncompressed: in strips of `rows` or tiles, by pixel or by plane."""
    height, width, channels = samples.shape
    kind = samples.dtype.newbyteorder(order)
    depth = bits or samples.dtype.itemsize * 8

    def coded(block: NDArray[Any]) -> bytes:
        if depth >= 8:
            return block.astype(kind).tobytes()
        each = (block.reshape(block.shape[0], -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
        return np.packbits(each.astype(np.uint8).reshape(block.shape[0], -1), axis=1).tobytes()

    planes = [samples[:, :, i : i + 1] for i in range(channels)] if planar else [samples]
    blocks = []
    for plane in planes:
        if tile:
            fill = ((0, -height % tile), (0, -width % tile), (0, 0))
            plane = np.pad(plane, fill)
            tops, lefts = (range(0, side, tile) for side in plane.shape[:2])
            blocks += [coded(plane[y : y + tile, x : x + tile]) for y in tops for x in lefts]
        else:
            step = rows or height
            blocks += [coded(plane[top : top + step]) for top in range(0, height, step)]
    sample_format = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [depth] * channels),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (277, 3, [channels]),
        (284, 3, [2 if planar else 1]),
        (339, 3, [sample_format] * channels),
    ]
    if tile:
        tags += [(322, 4, [tile]), (323, 4, [tile])]
    else:
        tags += [(278, 4, [rows or height])]
    if extra is not None:
        tags.append((338, 3, [extra]))
    if palette is not None:
        tags.append((320, 3, (palette.T.astype(int) * 257).ravel().tolist()))
    if orientation:
        tags.append((274, 3, [orientation]))
    if photometric == 5:
        tags.append((332, 3, [1]))
    places, sizes = (324, 325) if tile else (273, 279)
    body = b"".join(blocks)
    starts = np.cumsum([8, *(len(block) for block in blocks[:-1])]).tolist()
    tags += [(places, 4, starts), (sizes, 4, [len(block) for block in blocks])]
    tags.sort()
    body += bytes(len(body) % 2)
    directory = 8 + len(body)
    overflow = directory + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, type_, numbers in tags:
        stored = struct.pack(f"{order}{len(numbers)}{'H' if type_ == 3 else 'I'}", *numbers)
        entries += struct.pack(f"{order}HHI", tag, type_, len(numbers))
        if len(stored) <= 4:
            entries += stored.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", overflow + len(values))
            values += stored
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HI", 42, directory)
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values


def _tiffs() -> Iterator[Made]:
    photo, grey = colours(), greys()[:, :, np.newaxis]
    alpha = (255 - greys()[:, :, np.newaxis].astype(int) // 2).clip(0, 255)
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        end = {"<": "little", ">": "big"}[order]
        for bits in (1, 2, 4):
            levels = grey >> (8 - bits)
            shown = _rgb(np.rint(levels[:, :, 0] * (255 / (2**bits - 1))))
            yield Made(f"tiff/grey-{bits}-{end}.tif", _tiff(levels, 1, order=order, bits=bits), SHOWN, shown)
            data = _tiff(2**bits - 1 - levels, 0, order=order, bits=bits)
            yield Made(f"tiff/grey-{bits}-white-is-zero-{end}.tif", data, SHOWN, shown)
        yield Made(f"tiff/grey-8-{end}.tif", _tiff(grey, 1, order=order), SHOWN, _rgb(greys()))
        data = _tiff(255 - grey, 0, order=order)
        yield Made(f"tiff/grey-8-white-is-zero-{end}.tif", data, SHOWN, _rgb(greys()))
        deep = grey.astype(np.uint16) * 257
        yield Made(f"tiff/grey-16-{end}.tif", _tiff(deep, 1, order=order), SHOWN, _rgb(greys()))
        data = _tiff(65535 - deep, 0, order=order)
        yield Made(f"tiff/grey-16-white-is-zero-{end}.tif", data, SHOWN_OR_UNSUPPORTED, _rgb(greys()))
        for kind, top in (("float32", 1), ("float64", 1), ("float32", 255), ("float32", 65535)):
            values = (grey / 255 * top).astype(kind)
            # The brightest tells the range: one pixel has the whole of it.
            values[0, 0] = top
            shown = _rgb(np.rint(values[:, :, 0] / top * 255))
            data = _tiff(values, 1, order=order)
            verdicts = SHOWN if kind == "float32" else SHOWN_OR_UNSUPPORTED
            yield Made(f"tiff/grey-{kind}-{top}-{end}.tif", data, verdicts, shown)
        yield Made(f"tiff/colour-8-{end}.tif", _tiff(photo, 2, order=order), SHOWN, photo)
        data = _tiff(photo.astype(np.uint16) * 257, 2, order=order)
        yield Made(f"tiff/colour-16-{end}.tif", data, SHOWN, photo)
        for kind in ("float32", "float64"):
            data = _tiff((photo / 255).astype(kind), 2, order=order)
            yield Made(f"tiff/colour-{kind}-{end}.tif", data, SHOWN_OR_UNSUPPORTED, photo)
        beside = np.concatenate([photo, alpha], axis=2).astype(np.uint8)
        data = _tiff(beside, 2, order=order, extra=2)
        yield Made(f"tiff/colour-alpha-8-{end}.tif", data, SHOWN, _over_white(photo, alpha))
        within = np.concatenate([np.rint(photo * (alpha / 255)), alpha], axis=2).astype(np.uint8)
        data = _tiff(within, 2, order=order, extra=1)
        yield Made(f"tiff/colour-alpha-within-8-{end}.tif", data, SHOWN, _over_white(photo, alpha))
        data = _tiff(np.concatenate([photo, 255 - photo[:, :, :1]], axis=2), 2, order=order, extra=0)
        yield Made(f"tiff/colour-and-a-fourth-{end}.tif", data, SHOWN_OR_UNSUPPORTED, photo)
        data = _tiff(beside.astype(np.uint16) * 257, 2, order=order, extra=2)
        yield Made(f"tiff/colour-alpha-16-{end}.tif", data, SHOWN_OR_UNSUPPORTED, _over_white(photo, alpha))
        ink = np.concatenate([255 - photo, np.zeros_like(photo[:, :, :1])], axis=2)
        yield Made(f"tiff/cmyk-8-{end}.tif", _tiff(ink, 5, order=order), SHOWN, photo)
        data = _tiff(ink.astype(np.uint16) * 257, 5, order=order)
        yield Made(f"tiff/cmyk-16-{end}.tif", data, SHOWN_OR_UNSUPPORTED, photo)
        palette = np.random.default_rng(3).integers(0, 256, (256, 3)).astype(np.uint8)
        data = _tiff(grey, 3, order=order, palette=palette)
        yield Made(f"tiff/palette-8-{end}.tif", data, SHOWN, palette[greys()])
        for orientation in range(1, 9):
            data = _tiff(photo, 2, order=order, orientation=orientation)
            name = f"tiff/orientation-{orientation}-{end}.tif"
            yield Made(name, data, SHOWN, upright(photo, orientation))
        for layout in (
            {"rows": 7},
            {"tile": 16},
            {"tile": 80},
            {"planar": True},
            {"planar": True, "rows": 5},
            {"planar": True, "tile": 16},
        ):
            name = "-".join(f"{key}-{int(value)}" for key, value in layout.items())
            verdicts = SHOWN_OR_UNSUPPORTED if {"planar", "tile"} <= layout.keys() else SHOWN
            yield Made(
                f"tiff/colour-{name}-{end}.tif", _tiff(photo, 2, order=order, **layout), verdicts, photo
            )
        # CIELab of 8 bits, a and b signed: greys, so that no white point matters.
        luminance = (greys() / 255 <= 0.04045) * (greys() / 255 / 12.92) + (greys() / 255 > 0.04045) * (
            (greys() / 255 + 0.055) / 1.055
        ) ** 2.4
        lightness = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
        lab = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        lab[:, :, 0] = np.rint(lightness * 2.55)
        yield Made(f"tiff/lab-8-{end}.tif", _tiff(lab, 8, order=order), SHOWN_OR_UNSUPPORTED, _rgb(greys()))
        lab16 = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
        lab16[:, :, 0] = np.rint(lightness * 655.35)
        yield Made(
            f"tiff/lab-16-{end}.tif", _tiff(lab16, 8, order=order), SHOWN_OR_UNSUPPORTED, _rgb(greys())
        )
    for compression in ("tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "jpeg", "lzma", "zstd"):
        rare = compression in ("lzma", "zstd")
        for name, image, shown in (("colour", photo, photo), ("grey", greys(), _rgb(greys()))):
            quality = {"quality": 95} if compression == "jpeg" else {}
            data = _pillow(image, "TIFF", compression=compression, **quality)
            yield Made(f"tiff/{name}-{compression}.tif", data, SHOWN_OR_UNSUPPORTED if rare else SHOWN, shown)
    for compression in ("group3", "group4", "tiff_ccitt"):
        bilevel = greys() > 128
        data = _pillow(Image.fromarray(bilevel), "TIFF", compression=compression)
        yield Made(f"tiff/bilevel-{compression}.tif", data, SHOWN, _rgb(bilevel * 255))
    yield Made("tiff/big.tif", _pillow(photo, "TIFF", big_tiff=True), SHOWN, photo)
    data = _pillow(photo, "TIFF", save_all=True, append_images=[Image.fromarray(255 - photo)])
    yield Made("tiff/two-pages.tif", data, SHOWN, photo)
    whole = _tiff(photo, 2)
    yield Made("tiff/cut.tif", whole[: len(whole) // 2], DAMAGED)
    yield Made("tiff/header-only.tif", whole[:8], DAMAGED)


# What the sensor fills of a wider number is not written down: the picture must be of usable contrast.


def narrow_files() -> Iterator[Made]:
    """Yield greys that use a part of their number type's range; right are shades up to scale and offset."""
    shown = _rgb(greys())
    for bits in (9, 10, 12, 14):
        values = np.rint(greys() / 255 * (2**bits - 1)).astype(np.uint16)
        yield Made(f"narrow/{bits}-in-16.png", _pillow(values, "PNG"), SHOWN, shown)
        yield Made(f"narrow/{bits}-in-16.tif", _tiff(values[:, :, np.newaxis], 1), SHOWN, shown)
    for kind, top in (
        ("uint32", 1000),
        ("uint32", 2**32 - 1),
        ("int32", 4095),
        ("int16", 4095),
        ("int16", 32767),
    ):
        values = np.rint(greys() / 255 * top).astype(kind)
        yield Made(
            f"narrow/{kind}-{top}.tif", _tiff(values[:, :, np.newaxis], 1), SHOWN_OR_UNSUPPORTED, shown
        )
    for white in (1023.0, 4095.0, 1e6):
        values = (greys() / 255 * white).astype(np.float32)
        yield Made(f"narrow/float32-{white:g}.tif", _tiff(values[:, :, np.newaxis], 1), SHOWN, shown)


# The other formats


def _others() -> Iterator[Made]:
    photo, grey = colours(), greys()
    image = Image.fromarray(photo)
    alpha = (255 - grey[:, :, np.newaxis].astype(int) // 2).clip(0, 255)
    beside = Image.fromarray(np.concatenate([photo, alpha], axis=2).astype(np.uint8))
    turned = Image.fromarray(255 - photo)
    palette = image.quantize(64)
    indexed = np.array(palette.convert("RGB"))
    yield Made("gif/plain.gif", _pillow(palette, "GIF"), SHOWN, indexed)
    yield Made("gif/interlaced.gif", _pillow(palette, "GIF", interlace=1), SHOWN, indexed)
    data = _pillow(palette, "GIF", transparency=5)
    keyed = np.where(np.asarray(palette)[:, :, np.newaxis] == 5, 255, indexed).astype(np.uint8)
    yield Made("gif/transparent.gif", data, SHOWN, keyed)
    data = _pillow(palette, "GIF", save_all=True, append_images=[palette.rotate(180)], duration=50, loop=0)
    yield Made("gif/animated.gif", data, SHOWN, indexed)
    yield Made("gif/cut.gif", _pillow(palette, "GIF")[:1500], DAMAGED)

    ways: dict[str, dict[str, Any]] = {
        "lossy": {"quality": 95},
        "lossless": {"lossless": True, "exact": True},
    }
    for name, options in ways.items():
        yield Made(f"webp/{name}.webp", _pillow(image, "WEBP", **options), SHOWN, photo)
        over = _over_white(photo, alpha)
        yield Made(f"webp/{name}-alpha.webp", _pillow(beside, "WEBP", **options), SHOWN, over)
        data = _pillow(image, "WEBP", save_all=True, append_images=[turned], duration=50, **options)
        yield Made(f"webp/{name}-animated.webp", data, SHOWN, photo)
        data = _pillow(image, "WEBP", exif=exif(6), **options)
        yield Made(f"webp/{name}-turned.webp", data, SHOWN, upright(photo, 6))
        whole = _pillow(image, "WEBP", **options)
        yield Made(f"webp/{name}-cut.webp", whole[: len(whole) // 2], DAMAGED)

    still = {"quality": 95, "subsampling": "4:4:4"}
    yield Made("avif/colour.avif", _pillow(image, "AVIF", **still), SHOWN, photo)
    yield Made("avif/sampled.avif", _pillow(image, "AVIF", quality=95), SHOWN, photo)
    yield Made(
        "avif/grey.avif",
        _pillow(image.convert("L"), "AVIF", quality=95, subsampling="4:0:0"),
        SHOWN,
        _rgb(np.asarray(image.convert("L"))),
    )
    yield Made("avif/alpha.avif", _pillow(beside, "AVIF", **still), SHOWN, _over_white(photo, alpha))
    for orientation in range(1, 9):
        data = _pillow(image, "AVIF", exif=exif(orientation), **still)
        yield Made(f"avif/orientation-{orientation}.avif", data, SHOWN, upright(photo, orientation))
    data = _pillow(image, "AVIF", save_all=True, append_images=[turned], **still)
    yield Made("avif/animated.avif", data, SHOWN, photo)
    whole = _pillow(image, "AVIF", **still)
    yield Made("avif/cut.avif", whole[: len(whole) // 2], DAMAGED)
    # The middle of the picture, cut out by a clean aperture (ISO/IEC 14496-12, 12.1.4): 48 × 32, no offset.
    box = struct.pack(">I4s8I", 40, b"clap", 48, 1, 32, 1, 0, 1, 0, 1)
    cropped = photo[16:48, 24:72]
    yield Made("avif/clean-aperture.avif", _with_property(whole, box), SHOWN, cropped)
    turn = struct.pack(">I4sB", 9, b"irot", 1)  # a quarter anticlockwise
    yield Made("avif/irot.avif", _with_property(whole, turn), SHOWN, np.rot90(photo))
    mirror = struct.pack(">I4sB", 9, b"imir", 1)  # left and right change places
    yield Made("avif/imir.avif", _with_property(whole, mirror), SHOWN, photo[:, ::-1])

    yield Made("ppm/binary.ppm", b"P6\n# a word\n96 64\n255\n" + photo.tobytes(), SHOWN, photo)
    yield Made("ppm/grey.pgm", b"P5 96 64 255\n" + grey.tobytes(), SHOWN, _rgb(grey))
    text = b" ".join(b"%d" % value for value in photo.ravel())
    yield Made("ppm/text.ppm", b"P3\n96 64\n255\n" + text, SHOWN, photo)
    for top in (1, 7, 100, 254, 1000, 4095, 65535):
        wide = ">u2" if top > 255 else "u1"
        levels = np.rint(photo / 255 * top)
        head = b"P6 96 64 %d\n" % top
        shown = np.rint(levels * (255 / top)).astype(np.uint8)
        yield Made(f"ppm/top-{top}.ppm", head + levels.astype(wide).tobytes(), SHOWN, shown)
        levels = np.rint(grey / 255 * top)
        head = b"P5 96 64 %d\n" % top
        shown = _rgb(np.rint(levels * (255 / top)))
        yield Made(f"ppm/top-{top}.pgm", head + levels.astype(wide).tobytes(), SHOWN, shown)
    bilevel = grey < 128
    yield Made(
        "ppm/bits.pbm", b"P4 96 64\n" + np.packbits(bilevel, axis=1).tobytes(), SHOWN, _rgb(~bilevel * 255)
    )
    yield Made("ppm/cut.ppm", b"P6 96 64 255\n" + photo.tobytes()[:9000], DAMAGED)

    for kind in ("ICO", "JPEG2000", "SGI", "DDS", "QOI", "ICNS", "PDF", "TGA", "PCX"):
        # The last two have nothing at their start that tells them from noise.
        verdicts = UNSUPPORTED | DAMAGED if kind in ("TGA", "PCX") else UNSUPPORTED
        yield Made(f"other/{kind.lower()}", _pillow(image, kind), verdicts)
    yield Made("other/svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', UNSUPPORTED)
    yield Made("other/page", b"<!doctype html><title>404</title>", UNSUPPORTED | DAMAGED)
    yield Made("other/zeros", bytes(4000), UNSUPPORTED | DAMAGED)
    yield Made("other/empty", b"", DAMAGED | UNSUPPORTED)


def _with_property(avif: bytes, box: bytes) -> bytes:
    """Return an AVIF with one more essential property of its first item (ISO/IEC 23008-12, 9.3).

    The boxes meta > iprp > ipco and ipma grow, so what the item's place in the file is told as grows too.
    """
    data = bytearray(avif)

    def place(name: bytes) -> int:
        return data.index(name) - 4

    def grow(name: bytes, by: int) -> None:
        at = place(name)
        data[at : at + 4] = struct.pack(">I", struct.unpack_from(">I", data, at)[0] + by)

    at = place(b"ipco")
    inside, size = at + 8, struct.unpack_from(">I", data, at)[0]
    number, scan = 1, inside
    while scan < at + size:
        scan += struct.unpack_from(">I", data, scan)[0]
        number += 1
    ipma = place(b"ipma")
    # Version and flags, how many items, then of the first: its number, how many properties.
    count = ipma + 12 + 4 + 2
    data[count] += 1
    data.insert(count + data[count], 0x80 | number)
    grow(b"ipma", 1)
    data[at + size : at + size] = box
    grow(b"ipco", len(box))
    for name in (b"iprp", b"meta"):
        grow(name, len(box) + 1)
    shift = len(box) + 1
    iloc = place(b"iloc")
    version, sizes = data[iloc + 8], data[iloc + 12]
    assert (version, sizes) == (0, 0x44)
    (n_items,) = struct.unpack_from(">H", data, iloc + 14)
    entry = iloc + 16
    for _ in range(n_items):
        (extents,) = struct.unpack_from(">H", data, entry + 4)
        for extent in range(extents):
            where = entry + 6 + 8 * extent
            struct.pack_into(">I", data, where, struct.unpack_from(">I", data, where)[0] + shift)
        entry += 6 + 8 * extents
    return bytes(data)
