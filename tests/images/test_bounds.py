"""What would cost a decoder much time or memory is told first, or stopped; whole photos stay as they are."""

import io
import struct
import time
import tracemalloc
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.hostile.bombs import BOMBS
from tests.images.toy_photos import encoded, pixels

from lightprobe.errors import DamagedImageError, ImageError, ImageTooLargeError, UnsupportedImageError
from lightprobe.images import decode, isolated, pillow
from lightprobe.images.bounds import first_frame, is_decoded_in_python
from lightprobe.images.exif import orientation_of
from lightprobe.images.jpeg_structure import read_jpeg_structure


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("jpeg_of_many_segments", "more than 20,000 segments"),
        ("jpeg_of_stray_markers", "more than 20,000 segments"),
        ("gif_of_many_comments", "more than 50,000 blocks"),
        ("gif_of_one_long_comment", "more than 50,000 blocks"),
        ("png_of_many_chunks", "more than 50,000 chunks"),
    ],
)
def test_files_of_very_many_parts_are_refused_before_they_are_decoded(name: str, words: str) -> None:
    content = BOMBS[name]()
    start = time.process_time()
    with pytest.raises(UnsupportedImageError, match=words):
        decode(content)
    assert time.process_time() - start < 3  # tenths of a second; seconds to minutes without the limit


def test_scans_of_a_jpeg_are_counted_and_those_that_encoders_make_are_read() -> None:
    content = encoded(pixels(), "JPEG", progressive=True)
    assert read_jpeg_structure(content).n_scans <= 20
    last = content.rfind(b"\xff\xda")
    with pytest.raises(UnsupportedImageError, match="more than 100 scans"):
        decode(content[:last] + content[last:-2] * 101 + b"\xff\xd9")


@pytest.mark.parametrize("name", ["jpeg_of_stray_bytes", "gif_of_junk", "jpeg_with_a_hostile_exif"])
def test_junk_and_metadata_cost_no_more_than_passing_over_them(name: str) -> None:
    content = BOMBS[name]()
    tracemalloc.start()
    start = time.process_time()
    assert decode(content).shape == (64, 64, 3)
    assert time.process_time() - start < 5
    assert tracemalloc.get_traced_memory()[1] < 5 * len(content) + (50 << 20)
    tracemalloc.stop()


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F", "I;16"]


@pytest.mark.parametrize(("mode", "turn"), [*product(MODES, (1,)), ("RGB", 6), ("RGBA", 7), ("F", 3)])
def test_an_image_that_is_converted_in_strips_is_that_which_is_converted_whole(
    monkeypatch: pytest.MonkeyPatch, mode: str, turn: int
) -> None:
    random = np.random.default_rng(0)
    if mode in ("I", "F", "I;16"):
        kind = {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]
        image = Image.fromarray(random.integers(0, 4000, (53, 37)).astype(kind))
    else:
        image = Image.fromarray(random.integers(0, 256, (53, 37, 3), np.uint8)).convert(mode)
    image.getexif()[0x0112] = turn
    whole = pillow.to_rgb(image)
    monkeypatch.setattr(pillow, "_STRIP_PIXELS", 100)
    np.testing.assert_array_equal(pillow.to_rgb(image), whole)
    if mode == "RGB":
        np.testing.assert_array_equal(whole, np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize(("order", "kind"), list(product("<>", "HI")))
def test_an_orientation_is_read_as_pillow_writes_it_and_as_others_do(order: str, kind: str) -> None:
    exif = Image.Exif()
    for turn in range(1, 9):
        exif[0x0112] = turn
        assert orientation_of(exif.tobytes()) == turn
        mark, number = (b"II", 3 if kind == "H" else 4) if order == "<" else (b"MM", 3 if kind == "H" else 4)
        value = struct.pack(order + kind, turn).ljust(4, b"\0")
        entries = struct.pack(order + "HHIHHI", 0x0100, 4, 1, 0, 0, 0)[:12] + struct.pack(
            order + "HHI", 0x0112, number, 1
        )
        made = mark + struct.pack(order + "HIH", 42, 8, 2) + entries + value
        assert orientation_of(b"Exif\0\0" + made) == turn
        for end in range(len(made)):
            assert orientation_of(made[:end]) in (1, turn)
    assert orientation_of(b"II*\0" + struct.pack("<IH", 8, 65535)) == 1


def test_a_gif_without_its_metadata_is_the_same_picture() -> None:
    frames = [Image.fromarray(pixels()).quantize(16) for _ in range(3)]
    file = io.BytesIO()
    frames[0].save(
        file, "GIF", save_all=True, append_images=frames[1:], comment=b"c" * 600, loop=0, transparency=3
    )
    content = file.getvalue()
    with Image.open(io.BytesIO(content)) as image:
        expected = pillow.to_rgb(image)
    np.testing.assert_array_equal(decode(content), expected)
    assert b"ccc" not in first_frame(content)
    with pytest.raises(DamagedImageError):
        first_frame(content[:14])


@pytest.mark.parametrize(
    ("head", "slow"),
    [
        (b"P5\n64 64\n255\n", False), (b"P6 # made\n64 # wide\n64\n255\n", False), (b"P4\n64 64\n", False),
        (b"P2\n64 64\n255\n", True), (b"P5\n#" + b"x" * 5000 + b"\n64 64\n255\n", True),
    ],
)  # fmt: skip
def test_what_pillow_reads_step_by_step_is_told(head: bytes, slow: bool) -> None:
    start = time.process_time()
    assert is_decoded_in_python("PPM", head + bytes(4096)) is slow
    assert is_decoded_in_python("PPM", b"P5" + b" " * 10**6)
    assert time.process_time() - start < 1  # a pattern that tries every way would never end


def test_a_decoder_that_takes_too_long_or_too_much_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_HELPER_CODE", "from tests.images.hungry import serve; serve({})")
    pool = isolated._Pool()
    with pytest.raises(ImageError, match="takes too long to decode"):
        pool.decode(b"time", "TIFF", 10**6)
    with pytest.raises(ImageTooLargeError, match="needs more memory"):
        pool.decode(b"memory", "TIFF", 10**6)
    np.testing.assert_array_equal(pool.decode(encoded(pixels(), "TIFF"), "TIFF", 10**6)[0], pixels())
    pool.close()


def test_a_large_picture_comes_through_shared_memory_whole() -> None:
    random = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)
    for shape in ((700, 900), (600, 800), (700, 900)):
        picture = random[: shape[0], : shape[1]]
        np.testing.assert_array_equal(decode(encoded(picture, "TIFF")), picture)
