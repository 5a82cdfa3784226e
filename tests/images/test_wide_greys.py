"""Greys of 10, 12, 14 and 32 bits, floats: the range that was meant, whatever holds it."""

import logging
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from tests.images.toy_photos import encoded, pixels

from lightprobe.errors import UnsupportedImageError
from lightprobe.images import decode, decoding

RAMP = np.mgrid[:16, :96][1] / 95
GREY = np.rint(RAMP * 255)[:, :, None].repeat(3, axis=2)


def close(data: bytes, expected: NDArray[Any] = GREY) -> None:
    assert np.abs(decode(data).astype(float) - expected).max() <= 1


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_bits_that_fill_a_part_of_sixteen_fill_all_of_eight(kind: str, bits: int) -> None:
    values = np.rint(RAMP * (2**bits - 1)).astype(np.uint16)
    close(encoded(Image.fromarray(values), kind))


@pytest.mark.parametrize("top", [0.5, 1.0, 255.0, 1023.0, 4095.0])
def test_floats_keep_the_range_that_was_meant(top: float) -> None:
    white = 1.0 if top == 0.5 else top
    values = (RAMP * top).astype(np.float32)
    close(encoded(Image.fromarray(values), "TIFF"), GREY * (top / white))


@pytest.mark.parametrize("top", [4095, 65535, 2**31 - 1])
def test_integers_of_32_bits_keep_theirs(top: int) -> None:
    close(encoded(Image.fromarray(np.rint(RAMP * top).astype(np.int32)), "TIFF"))


def test_a_tiff_says_what_white_is() -> None:
    values = np.rint(RAMP * 2000).astype(np.uint16)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[281] = 4095
    close(encoded(Image.fromarray(values), "TIFF", tiffinfo=tags), GREY * (2000 / 4095))


def test_a_tiff_whose_zero_is_white_is_no_negative() -> None:
    values = np.rint(RAMP * 65535).astype(np.uint16)
    data = encoded(Image.fromarray(values), "TIFF")
    black_is_zero = struct.pack("<HHII", 262, 3, 1, 1)
    assert data.count(black_is_zero) == 1
    close(data.replace(black_is_zero, struct.pack("<HHII", 262, 3, 1, 0)), 255 - GREY)


def test_a_pgm_says_what_white_is() -> None:
    values = np.rint(RAMP * 900).astype(">u2")
    close(b"P5 96 16 4095\n" + values.tobytes(), GREY * (900 / 4095))


def test_a_png_says_how_many_bits_matter() -> None:
    values = np.rint(RAMP * 900).astype(np.uint16)
    data = encoded(Image.fromarray(values), "PNG")
    body = b"sBIT\x0c"
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    close(data[:33] + chunk + data[33:], GREY * (900 / 4095))


@pytest.mark.parametrize("depth", [2, 4])
def test_a_transparent_grey_of_few_bits_is_white(depth: int) -> None:
    levels = 2**depth
    values = np.arange(levels)[None].repeat(4, 0)  # a row is whole bytes
    rows = b"".join(
        b"\0" + np.packbits(np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, -depth:]).tobytes()
        for row in values
    )

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", levels, 4, depth, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"tRNS", b"\0\1")
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    expected = np.rint(np.arange(levels) * 255 / (levels - 1))
    expected[1] = 255
    assert np.array_equal(decode(data)[0, :, 0], expected)


def test_scaling_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(decoding, "_said", False)
    values = Image.fromarray(np.rint(RAMP * 4095).astype(np.uint16))
    with caplog.at_level(logging.WARNING):
        for kind in ("TIFF", "PNG", "PNG"):
            decode(encoded(values, kind))
    assert [record.getMessage() for record in caplog.records if "4095 is white" in record.getMessage()]
    assert len(caplog.records) == 1


def test_broken_text_does_not_cost_a_png() -> None:
    data = encoded(pixels(), "PNG")
    content = b"zTXtkey\0\7nonsense"
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content) ^ 1)
    assert np.array_equal(decode(data[:33] + chunk + data[33:]), pixels())


def test_a_bmp_of_4_bit_runs_gives_the_pixels_back() -> None:
    # A run of seven in two colours, a literal run of five (odd, padded), a step to the right, the end.
    runs = bytes((7, 0x12, 0, 0, 0, 5, 0x12, 0x31, 0x20, 0, 0, 0, 0, 2, 3, 0, 4, 0x33, 0, 1))
    palette = bytes((0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0))
    head = struct.pack("<IiiHHIIiiII", 40, 7, 3, 1, 4, 2, len(runs), 0, 0, 4, 0)
    start = 14 + len(head) + len(palette)
    data = b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + palette + runs
    indices = np.array([[0, 0, 0, 3, 3, 3, 3], [1, 2, 3, 1, 2, 0, 0], [1, 2, 1, 2, 1, 2, 1]])
    colours = np.array([[0, 0, 0], [0, 0, 255], [0, 255, 0], [255, 0, 0]])
    assert np.array_equal(decode(data), colours[indices])


def test_kinds_that_pillow_lacks_are_called_unsupported() -> None:
    masks = struct.pack("<IIII", 0xF00, 0xF0, 0xF, 0xF000)
    head = struct.pack("<IiiHHIIiiII", 56, 8, 8, 1, 16, 3, 128, 0, 0, 0, 0) + masks
    bmp = b"BM" + struct.pack("<IHHI", 70 + 128, 0, 0, 70) + head + b"\xff\xf0" * 64
    with pytest.raises(UnsupportedImageError, match="a kind of BMP that is not read"):
        decode(bmp)
    tiff = encoded(Image.new("RGB", (4, 4)), "TIFF")
    floats = tiff.replace(struct.pack("<HHH", 8, 8, 8), struct.pack("<HHH", 32, 32, 32))
    with pytest.raises(UnsupportedImageError, match="a kind of TIFF that is not read"):
        decode(floats)
