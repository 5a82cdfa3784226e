"""What cameras, phones and archives call a JPEG: shown whole, or refused for what it is."""

import struct
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.images.toy_photos import encoded, smooth

from lightprobe.errors import DamagedImageError, ImageError, ImageTooLargeError, UnsupportedImageError
from lightprobe.images.decoding import decode
from lightprobe.images.jpeg_structure import read_jpeg_structure

PHOTO = Image.fromarray(smooth()).resize((320, 240), Image.Resampling.BICUBIC)
KINDS = {
    "baseline": encoded(PHOTO, "JPEG", quality=90),
    "progressive": encoded(PHOTO, "JPEG", quality=90, progressive=True),
    "restarts": encoded(PHOTO, "JPEG", quality=90, restart_marker_rows=1),
    "grey": encoded(PHOTO.convert("L"), "JPEG", quality=90),
    "inks": encoded(PHOTO.convert("CMYK"), "JPEG", quality=90),
}
BETWEEN = [b"\0", b"\n" * 7, b"\xff\0", b"\0\xe1\0\x06abcd", b"\xff\xfe\0\3hello", b"\xff\xff"]


def by_pillow(data: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def lossless(width: int, height: int) -> bytes:
    """Return a lossless JPEG (ITU-T T.81, process 14) all of whose samples are 128."""
    frame = segment(0xC3, struct.pack(">BHHB", 8, height, width, 1) + bytes((1, 0x11, 0)))
    table = segment(0xC4, bytes((0, 1, *[0] * 15, 0)))  # one code, 0: no difference
    scan = segment(0xDA, bytes((1, 1, 0, 1, 0, 0)))
    coded = bytes((width * height + 7) // 8 - 1) + bytes(((1 << (-(width * height) % 8)) - 1,))
    return b"\xff\xd8" + frame + table + scan + coded + b"\xff\xd9"


@pytest.mark.parametrize("need", [None, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_without_its_end_marker_is_the_same_photo(kind: str, need: int | None) -> None:
    data = KINDS[kind]
    assert data.endswith(b"\xff\xd9")
    whole = decode(data, at_least=need)
    for left in (data[:-2], data[:-1], data[:-2] + bytes(2), data[:-2] + bytes(5000)):
        assert np.array_equal(decode(left, at_least=need), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_with_rows_missing_is_refused_whatever_ends_it(kind: str) -> None:
    data = KINDS[kind]
    for share in (0.5, 0.7, 0.9):
        cut = data[: int(len(data) * share)]
        for end in (b"", b"\xff\xd9", bytes(len(data)), b"\0"):
            with pytest.raises(DamagedImageError, match="damaged or truncated JPEG"):
                decode(cut + end)


def test_a_progressive_jpeg_cut_between_two_scans_is_not_a_photo() -> None:
    data = KINDS["progressive"]
    scans = [place for place in range(len(data) - 1) if data[place : place + 2] == b"\xff\xda"]
    for place in scans[1:]:
        with pytest.raises(DamagedImageError):
            decode(data[:place])


@pytest.mark.parametrize("between", BETWEEN, ids=repr)
def test_bytes_between_segments_change_nothing(between: bytes) -> None:
    data = KINDS["baseline"]
    for marker in (b"\xff\xdb", b"\xff\xc0", b"\xff\xc4", b"\xff\xda"):
        place = data.index(marker)
        dirty = data[:place] + between + data[place:]
        assert np.array_equal(by_pillow(dirty), by_pillow(data))
        for need in (None, 30):
            assert np.array_equal(decode(dirty, at_least=need), decode(data, at_least=need))


def test_padding_before_the_end_marker_is_no_damage() -> None:
    data = KINDS["baseline"]
    padded = data[:-2] + bytes(40) + data[-2:]
    assert np.array_equal(decode(padded), decode(data))


@pytest.mark.parametrize("change", [b"\x03\x01", b"\x00\x00"], ids=repr)
def test_other_versions_of_jfif_are_read(change: bytes) -> None:
    data = bytearray(KINDS["baseline"])
    place = data.index(b"JFIF\0") + 5
    data[place : place + 2] = change
    assert np.array_equal(decode(bytes(data)), decode(KINDS["baseline"]))


@pytest.mark.parametrize("side", [40, 1200])
@pytest.mark.parametrize("need", [None, 4])
def test_a_lossless_jpeg_is_decoded_whole(side: int, need: int | None) -> None:
    pixels = decode(lossless(side, side), at_least=need)
    assert pixels.shape == (side, side, 3)
    assert (pixels == 128).all()


def test_kinds_of_jpeg_that_nothing_here_reads_are_called_unsupported() -> None:
    for marker, name in ((0xC5, "hierarchical"), (0xCB, "lossless arithmetic"), (0xF7, "JPEG-LS")):
        data = lossless(40, 40).replace(b"\xff\xc3", bytes((0xFF, marker)))
        with pytest.raises(UnsupportedImageError, match=name):
            decode(data, at_least=4)
    twelve = bytearray(KINDS["baseline"])
    twelve[twelve.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(UnsupportedImageError, match="12 bits a sample"):
        decode(bytes(twelve))


def test_a_height_that_follows_the_scan_is_found() -> None:
    data = KINDS["baseline"]
    frame = data.index(b"\xff\xc0")
    height = data[frame + 5 : frame + 7]
    late = data[: frame + 5] + b"\0\0" + data[frame + 7 : -2] + b"\xff\xdc\0\4" + height + b"\xff\xd9"
    assert np.array_equal(decode(late), decode(data))


@pytest.mark.parametrize("at_reduced_scale", [False, True])
def test_colours_are_those_of_the_file_at_any_scale(at_reduced_scale: bool) -> None:
    # RGB without a transform, told by Adobe's marker: Pillow's writer sets it.
    data = encoded(PHOTO, "JPEG", quality=95, keep_rgb=True)
    pixels = decode(data, at_least=30 if at_reduced_scale else None)
    expected = np.asarray(PHOTO.resize(pixels.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(pixels.astype(int) - expected).mean() < 4


def test_xmp_does_not_turn_a_photo_at_any_scale() -> None:
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
    data = KINDS["baseline"]
    turned = data[:2] + segment(0xE1, xmp) + data[2:]
    for need in (None, 30):
        assert np.array_equal(decode(turned, at_least=need), decode(data, at_least=need))
    png = encoded(PHOTO, "PNG")
    assert decode(png).shape == (240, 320, 3)


def test_the_limit_is_about_what_is_held_in_memory() -> None:
    data = KINDS["baseline"]
    assert decode(data, at_least=15, max_pixels=40 * 30).shape == (30, 40, 3)
    with pytest.raises(ImageTooLargeError, match=r"320 × 240 is over the limit of .* megapixels$"):
        decode(data, at_least=15, max_pixels=40 * 30 - 1)
    with pytest.raises(ImageTooLargeError):
        decode(data, max_pixels=320 * 240 - 1)
    # A progressive file's coefficients are held whole, whatever the scale.
    with pytest.raises(ImageTooLargeError):
        decode(KINDS["progressive"], at_least=15, max_pixels=40 * 30)


@pytest.mark.parametrize("size", [(12000, 9000), (16320, 12240)], ids=["108", "200"])
def test_photos_of_108_and_200_megapixels_pass_at_a_reduced_scale(size: tuple[int, int]) -> None:
    data = encoded(Image.new("L", size, 120), "JPEG")
    assert decode(data, at_least=224).shape == (size[1] // 8, size[0] // 8, 3)
    with pytest.raises(ImageTooLargeError):
        decode(data)


def test_a_header_that_promises_more_blocks_than_there_are_bits_is_refused_at_once() -> None:
    small = bytearray(KINDS["baseline"])
    frame = small.index(b"\xff\xc0")
    small[frame + 5 : frame + 9] = struct.pack(">HH", 60000, 60000)
    with pytest.raises(DamagedImageError):
        decode(bytes(small), at_least=100)


def test_the_walk_tells_what_a_file_is_made_of() -> None:
    data = KINDS["progressive"]
    jpeg = read_jpeg_structure(data)
    assert (jpeg.frame, jpeg.precision, jpeg.width, jpeg.height) == (0xC2, 8, 320, 240)
    assert (jpeg.ended, jpeg.stray, len(jpeg.components)) == (True, 0, 3)
    assert jpeg.n_scans == data.count(b"\xff\xda")
    dirty = read_jpeg_structure(data[:2] + b"abc" + data[2:-2])
    assert (dirty.ended, dirty.stray) == (False, 3)
    assert dirty.stream == jpeg.stream


def test_the_three_refusals_have_three_ways_out() -> None:
    remedies = {kind.remedy for kind in (DamagedImageError, UnsupportedImageError, ImageTooLargeError)}
    assert len(remedies) == 3
    assert "`max_megapixels`" in ImageTooLargeError.remedy
    assert all(issubclass(kind, ImageError) for kind in (DamagedImageError, UnsupportedImageError))
