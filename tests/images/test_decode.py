import pickle
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tests.images.toy_photos import HEIC, HEIGHT, QUARTERS, WIDTH, encoded, pixels, smooth

from lightprobe.errors import DamagedImageError, ImageError, UnsupportedImageError
from lightprobe.images.decoding import decode, sniff


def seen(data: bytes | NDArray[np.uint8], **options: Any) -> NDArray[np.int64]:
    image = decode(data, **options)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    return image.astype(np.int64)


def distance(a: NDArray[Any], b: NDArray[Any]) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max())


RGBA = np.dstack([smooth(), np.linspace(0, 255, WIDTH).astype(np.uint8)[None].repeat(HEIGHT, 0)])
OVER_WHITE = np.rint(255 + (smooth().astype(float) - 255) * RGBA[:, :, 3:] / 255)
GREY = smooth()[:, :, 0]
GREYS = np.stack([GREY] * 3, axis=2)
ODD = pixels()[: HEIGHT - 1, : WIDTH - 3]


@pytest.mark.parametrize("image", [pixels(), smooth(), ODD], ids=["quarters", "smooth", "odd size"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("WEBP", {"lossless": True}),
        ("PPM", {}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else value,
)
def test_lossless_formats_give_the_pixels_back(
    kind: str, options: dict[str, Any], image: NDArray[np.uint8]
) -> None:
    assert distance(seen(encoded(image, kind, **options)), image) <= (4 if kind == "AVIF" else 0)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("image", [smooth(), smooth()[:-1, :-3]], ids=["even", "odd size"])
def test_lossy_formats_come_close(kind: str, image: NDArray[np.uint8]) -> None:
    assert distance(seen(encoded(image, kind, quality=95)), image) <= 12


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 2}], ids=str
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_equals_pillows_decoder(mode: str, options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(smooth()).convert(mode), "JPEG", quality=90, **options)
    with Image.open(BytesIO(data)) as image:
        assert distance(seen(data), np.asarray(image.convert("RGB"))) <= 1


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
def test_a_jpeg_whose_rest_is_zeros_is_refused(options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(smooth()).resize((640, 480)), "JPEG", **options)
    for left in (len(data) // 3, len(data) // 2, len(data) - 30):
        for need in (None, 60):
            with pytest.raises(ImageError, match="damaged or truncated JPEG"):
                decode(data[:left] + bytes(len(data)), at_least=need)


def test_cmyk_jpeg_is_not_inverted() -> None:
    data = encoded(Image.fromarray(smooth()).convert("CMYK"), "JPEG", quality=95)
    assert distance(seen(data), smooth()) <= 12


def test_ycck_jpeg_is_read_by_its_adobe_marker() -> None:
    # YCCK is YCC of 255 − CMY with K beside it (ITU-T T.872), and Adobe's files store ink inverted. A photo
    # without black ink has the inverted inks R, G, B, 255: its planes are YCC of its negative, and 255.
    negative = Image.fromarray(255 - smooth()).convert("YCbCr")
    planes = [*negative.split(), Image.new("L", negative.size, 255)]
    # Pillow writes such planes if it is told that they are CMYK, which it inverts; the marker is set after.
    stored = Image.merge("CMYK", [plane.point(lambda value: 255 - value) for plane in planes])
    data = bytearray(encoded(stored, "JPEG", quality=95))
    adobe = data.index(b"Adobe")
    assert data[adobe + 11] == 0
    data[adobe + 11] = 2
    assert distance(seen(bytes(data)), smooth()) <= 12


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(kind: str, orientation: int, order: str) -> None:
    options: Any = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(
        kind, {"quality": 95}
    )
    data = encoded(pixels(), kind, exif=_exif(orientation, order), **options)
    with Image.open(BytesIO(encoded(pixels(), "PNG", exif=_exif(orientation, order)))) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    got = seen(data)
    assert got.shape == upright.shape
    corners = [got[y, x].tolist() for y in (4, -5) for x in (4, -5)]
    expected = [upright[y, x].tolist() for y in (4, -5) for x in (4, -5)]
    assert distance(np.array(corners), np.array(expected)) <= 4


def test_a_known_corner_moves_as_the_standard_says() -> None:
    # Orientation 6: the first row of the file is the right side of the photo, its first column the top.
    got = seen(encoded(pixels(), "PNG", exif=_exif(6)))
    assert got.shape == (WIDTH, HEIGHT, 3)
    assert got[0, -1].tolist() == list(QUARTERS[0])
    assert got[-1, -1].tolist() == list(QUARTERS[1])


@pytest.mark.parametrize(
    "before", [b"\xff\xe1\x00\x23http://ns.adobe.com/xap/1.0/\x00<x/>", b"\xff\xfe\x00\x04hi", b"\xff\xff"]
)
def test_exif_is_found_behind_other_segments(before: bytes) -> None:
    data = encoded(pixels(), "JPEG", quality=95, exif=_exif(6))
    turned = seen(data[:2] + before + data[2:])
    assert turned.shape == (WIDTH, HEIGHT, 3)
    assert distance(turned[4, -5], np.array(QUARTERS[0])) <= 4


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_leaves_the_photo_as_it_is(orientation: int) -> None:
    data = encoded(pixels(), "JPEG", quality=95, exif=_exif(orientation))
    assert distance(seen(data)[4, 4], np.array(QUARTERS[0])) <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_does_not_cost_the_photo(kind: str) -> None:
    exif = bytearray(_exif(6))
    exif[-8:] = b"\xff" * 8
    for damaged in (bytes(exif), b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense"):
        assert seen(encoded(pixels(), kind, exif=damaged)).shape[2] == 3


def test_palette_and_bilevel_pictures_become_rgb() -> None:
    palette = Image.fromarray(pixels()).quantize(8)
    assert distance(seen(encoded(palette, "PNG")), pixels()) <= 4
    assert distance(seen(encoded(palette, "GIF")), pixels()) <= 4
    assert distance(seen(encoded(palette, "BMP")), pixels()) <= 4
    bilevel = Image.fromarray(pixels()[:, :, 0] > 128)
    expected = np.where(pixels()[:, :, :1] > 128, 255, 0).repeat(3, axis=2)
    for kind in ("PNG", "TIFF", "BMP", "PPM"):
        assert distance(seen(encoded(bilevel, kind)), expected) == 0


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_composited_over_white(kind: str) -> None:
    data = encoded(RGBA, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    assert distance(seen(data), OVER_WHITE) <= 1


def test_grey_with_alpha_and_transparent_colours_are_composited_over_white() -> None:
    grey_alpha = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(RGBA[:, :, 3])))
    expected = np.rint(255 + (GREYS.astype(float) - 255) * RGBA[:, :, 3:] / 255)
    assert distance(seen(encoded(grey_alpha, "PNG")), expected) <= 1

    keyed = pixels()
    keyed[: HEIGHT // 2, : WIDTH // 2] = 255
    assert distance(seen(encoded(pixels(), "PNG", transparency=QUARTERS[0])), keyed) == 0
    palette = Image.fromarray(pixels()).quantize(8)
    index = palette.getpixel((0, 0))
    for kind in ("PNG", "GIF"):
        assert distance(seen(encoded(palette, kind, transparency=index)), keyed) <= 4


def test_palette_with_partial_alpha_is_composited_over_white() -> None:
    palette = Image.fromarray(pixels()).quantize(4)
    shares = bytes([0, 85, 170, 255])
    got = seen(encoded(palette, "PNG", transparency=shares))
    colours = np.array(palette.getpalette()[:12]).reshape(4, 3)  # type: ignore[index]  # it has a palette
    alpha = np.frombuffer(shares, np.uint8)[:, None] / 255
    expected = np.rint(255 + (colours - 255) * alpha)[np.asarray(palette)]
    assert distance(got, expected) <= 1


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, WIDTH * HEIGHT).astype(np.uint16).reshape(HEIGHT, WIDTH)
    expected = np.rint(values / 257)[:, :, None].repeat(3, axis=2)
    for kind in ("PNG", "TIFF", "PPM"):
        assert distance(seen(encoded(Image.fromarray(values), kind)), expected) == 0
    keyed = encoded(Image.fromarray(values), "PNG", transparency=int(values[20, 20]))
    assert seen(keyed)[20, 20].tolist() == [255, 255, 255]


def test_sixteen_bit_colour_keeps_its_scale() -> None:
    values = np.linspace(0, 65535, 4 * 6 * 3).astype(">u2").reshape(4, 6, 3)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    assert distance(seen(_png(6, 4, 16, 2, rows)), np.rint(values / 257)) <= 1


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0, 1e6])
def test_floats_are_scaled_from_the_range_that_fits(top: float) -> None:
    values = np.linspace(0, top, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)
    expected = np.rint(values.astype(float) / top * 255)[:, :, None].repeat(3, axis=2)
    assert distance(seen(encoded(Image.fromarray(values), "TIFF")), expected) <= 1


def test_wide_integers_negative_values_and_nan_are_handled() -> None:
    values = np.linspace(-1000, 70000, WIDTH * HEIGHT).astype(np.int32).reshape(HEIGHT, WIDTH)
    got = seen(encoded(Image.fromarray(values), "TIFF"))
    assert (got.min(), got.max()) == (0, 255)
    floats = np.full((HEIGHT, WIDTH), np.nan, dtype=np.float32)
    floats[0, 0] = 0.5
    assert seen(encoded(Image.fromarray(floats), "TIFF"))[0, 0].tolist() == [128] * 3
    constant = np.full((HEIGHT, WIDTH), -5.0, dtype=np.float32)
    assert seen(encoded(Image.fromarray(constant), "TIFF")).max() == 0


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    got = seen(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert distance(got[16, 16], np.array([250, 0, 0])) <= 6


def test_heic_photos_are_read() -> None:
    pytest.importorskip("pi_heif")
    got = seen(HEIC)
    assert got.shape == (HEIGHT, WIDTH, 3)
    for quarter, colour in enumerate(QUARTERS):
        y, x = 12 + 24 * (quarter // 2), 16 + 32 * (quarter % 2)
        assert distance(got[y, x], np.array(colour)) <= 8


def test_heic_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    monkeypatch.setattr("lightprobe.images.decoding.ISOLATED_KINDS", frozenset())
    with pytest.raises(ImageError, match=r"pip install 'lightprobe\[heic\]'"):
        decode(HEIC)


def test_the_format_is_told_by_the_bytes() -> None:
    for kind, name in {
        "JPEG": "JPEG",
        "PNG": "PNG",
        "WEBP": "WebP",
        "TIFF": "TIFF",
        "AVIF": "AVIF",
        "GIF": "GIF",
    }.items():
        assert sniff(encoded(pixels(), kind)) == name
    assert sniff(HEIC) == "HEIC"


def test_pixels_are_passed_on_and_not_shared() -> None:
    image = pixels()
    image.flags.writeable = False
    copy = decode(image)
    copy += 1
    assert np.array_equal(image, pixels())
    assert np.array_equal(copy, pixels() + 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"])
def test_the_pixel_limit_holds_for_every_format(kind: str) -> None:
    data = encoded(pixels(), kind)
    assert decode(data, max_pixels=WIDTH * HEIGHT).shape == (HEIGHT, WIDTH, 3)
    with pytest.raises(ImageError, match="64 × 48 is over the limit"):
        decode(data, max_pixels=WIDTH * HEIGHT - 1)


def test_the_pixel_limit_holds_for_heic_and_arrays() -> None:
    pytest.importorskip("pi_heif")
    for data in (HEIC, pixels()):
        with pytest.raises(ImageError, match="64 × 48 is over the limit"):
            decode(data, max_pixels=WIDTH * HEIGHT - 1)


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    small = encoded(Image.new("RGB", (8, 8)), "JPEG")
    frame = small.index(b"\xff\xc0")
    bombs = [
        small[: frame + 5] + struct.pack(">HH", 65000, 65000) + small[frame + 9 :],
        _png(60000, 60000, 8, 2, b""),
        b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (16382).to_bytes(3, "little") * 2,
        b"GIF89a" + struct.pack("<HH", 65000, 65000) + encoded(Image.new("L", (8, 8)), "GIF")[10:],
        b"P6 60000 60000 255\n",
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
    ]
    for bomb in bombs:
        with pytest.raises(ImageError, match="over the limit of 89 megapixels"):
            decode(bomb)


@pytest.mark.parametrize("scale", [1, 2, 4, 8, 10])
def test_a_large_jpeg_may_be_decoded_at_a_reduced_scale(scale: int) -> None:
    image = Image.fromarray(smooth()).resize((640, 480), Image.Resampling.BICUBIC)
    data = encoded(image, "JPEG", quality=95, exif=_exif(6))
    need = 480 // (2 * scale)
    reduced = decode(data, at_least=need)
    reduction = min(8, scale)
    assert reduced.shape == (640 // reduction, 480 // reduction, 3)
    box = decode(data).reshape(640 // reduction, reduction, 480 // reduction, reduction, 3).mean((1, 3))
    assert np.abs(reduced - box).mean() < 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"\xff", "not an image"),
        (b"<html>404</html>", "not an image"),
        (b"\0" * 1000, "not an image"),
        (b"\0\0\0\x18ftypqt  \0\0\0\0qt  ", "not an image"),
        (b"RIFF\0\0\0\0WAVE", "not an image"),
        (b"\xff\xd8\xff", "damaged or truncated JPEG"),
        (b"\xff\xd8\xff\xd9", "damaged or truncated JPEG"),
        (b"\xff\xd8\xff\xe0\x00\x00" * 9, "damaged or truncated JPEG"),
        (b"\x89PNG\r\n\x1a\n", "damaged or truncated PNG"),
        (b"GIF89a", "damaged or truncated GIF"),
        (b"BM", "damaged or truncated BMP"),
        (b"II*\0", "damaged or truncated TIFF"),
        (b"RIFF\x04\0\0\0WEBP", "no pixels"),
        (b"P6 0 0 255\n", "damaged or truncated PPM"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "damaged or truncated AVIF"),
    ],
)
def test_what_is_no_image_says_so_shortly(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as error:
        decode(data)
    assert error.value.reason.startswith(reason)
    assert len(error.value.reason) < 80


def test_images_are_decoded_from_many_threads_alike() -> None:
    files = [encoded(smooth(), kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF")]
    expected = [decode(file) for file in files]
    with ThreadPoolExecutor(3) as threads:
        got = list(threads.map(decode, files * 12))
    assert all(np.array_equal(a, b) for a, b in zip(got, expected * 12, strict=True))


def test_pillow_does_not_warn_of_damaged_metadata() -> None:
    # The directory promises more entries than there are: Pillow reads on and warns.
    exif = b"Exif\0\0II*\0\x08\0\0\0\x09\0" + struct.pack("<HHII", 0x010F, 2, 99, 4000)
    with pytest.warns(UserWarning, match="Corrupt EXIF|Tag data|Truncated File"):
        Image.open(BytesIO(encoded(pixels(), "PNG", exif=exif))).getexif()
    files = [encoded(Image.fromarray(smooth()).convert(mode), "JPEG", exif=exif) for mode in ("RGB", "CMYK")]
    files += [encoded(pixels(), kind, exif=exif) for kind in ("PNG", "WEBP")]
    code = (
        "import pickle, sys; from lightprobe.images.decoding import decode; "
        "[decode(file, at_least=need) for file in pickle.load(sys.stdin.buffer) for need in (None, 4)]"
    )
    asked = [sys.executable, "-W", "always", "-c", code]
    assert subprocess.run(asked, input=pickle.dumps(files), capture_output=True, check=True).stderr == b""


@pytest.mark.parametrize(
    "head", [b"\0\0\1\0", b"\0\0\0\x0cjP  \r\n", b"8BPS\0\1", b"%PDF-1.7", b"<svg xmlns=", b"P7 332"]
)
def test_pictures_of_formats_that_nothing_here_reads_are_unsupported_not_damaged(head: bytes) -> None:
    with pytest.raises(UnsupportedImageError, match="is not read"):
        sniff(head + bytes(64))


def test_a_png_that_ends_in_the_head_of_one_more_chunk_is_whole_and_one_that_ends_in_pixels_is_not() -> None:
    whole = encoded(smooth(), "PNG")
    pixels_end = whole.rindex(b"IEND") - 4
    cut = whole[:pixels_end] + struct.pack(">I", 5000) + b"IDAT"
    np.testing.assert_array_equal(decode(cut), smooth())
    with pytest.raises(DamagedImageError):
        decode(whole[: pixels_end - 30])


def test_a_tiff_compressed_as_libtiff_may_not_know_is_unsupported_not_damaged() -> None:
    tiff = bytearray(encoded(smooth(), "TIFF", compression="tiff_lzw"))
    place = tiff.index(struct.pack("<HHI", 259, 3, 1)) + 8
    tiff[place : place + 2] = struct.pack("<H", 50001)  # WebP
    with pytest.raises(UnsupportedImageError):
        decode(bytes(tiff))


def _exif(orientation: int, order: str = "<") -> bytes:
    """Return EXIF data with an orientation and nothing else, as the standard lays it out."""
    mark = b"II" if order == "<" else b"MM"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(f"{order}HIH", 42, 8, 1) + entry + struct.pack(f"{order}I", 0)


def _png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
