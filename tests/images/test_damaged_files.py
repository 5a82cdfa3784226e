"""No file whatever may take the process down, and a cut file is never half a photo."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.images.toy_photos import HEIC, HEIGHT, WIDTH, encoded, smooth

from lightprobe.errors import ImageError
from lightprobe.images.decoding import decode


def files() -> dict[str, bytes]:
    """Return a small file of every kind that is decoded differently."""
    photo = Image.fromarray(smooth())
    frames = {"save_all": True, "append_images": [photo.rotate(90)]}
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {
        "jpeg": encoded(photo, "JPEG", exif=exif),
        "progressive jpeg": encoded(photo, "JPEG", progressive=True),
        "jpeg with restarts": encoded(photo, "JPEG", restart_marker_rows=1),
        "grey jpeg": encoded(photo.convert("L"), "JPEG"),
        "cmyk jpeg": encoded(photo.convert("CMYK"), "JPEG"),
        "png": encoded(photo.convert("RGBA"), "PNG", exif=exif),
        "palette png": encoded(photo.quantize(16), "PNG"),
        "bilevel png": encoded(photo.convert("1"), "PNG"),
        "16-bit png": encoded(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 20, "PNG"),
        "animated png": encoded(photo, "PNG", **frames),
        "gif": encoded(photo, "GIF", **frames),
        "bmp": encoded(photo, "BMP"),
        "palette bmp": encoded(photo.quantize(16), "BMP"),
        "ppm": encoded(photo, "PPM"),
        "webp": encoded(photo, "WEBP"),
        "lossless webp": encoded(photo.convert("RGBA"), "WEBP", lossless=True, exif=exif),
        "animated webp": encoded(photo, "WEBP", **frames),
        "avif": encoded(photo, "AVIF", exif=exif),
        "heic": HEIC,
        "float tiff": encoded(photo.convert("F"), "TIFF"),
    }
    for compression in ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits"):
        found[f"{compression} tiff"] = encoded(photo, "TIFF", compression=compression)
    found["fax tiff"] = encoded(photo.convert("1"), "TIFF", compression="group4")
    return found


def damaged(whole: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` versions of a file: cut, with bytes flipped anywhere or in the header, or overwritten."""
    rng = random.Random(seed)
    for number in range(count):
        data = bytearray(whole)
        if number % 4 == 0:
            del data[rng.randrange(len(data)) :]
        elif number % 4 == 1:
            for _ in range(rng.choice((1, 1, 2, 5, 20))):
                data[rng.randrange(len(data))] = rng.randrange(256)
        elif number % 4 == 2:
            for _ in range(rng.choice((1, 2, 4))):
                data[rng.randrange(min(len(data), 200))] = rng.choice(
                    (0, 1, 127, 128, 255, rng.randrange(256))
                )
        else:
            start, length = rng.randrange(len(data)), rng.randrange(1, 60)
            data[start : start + length] = rng.choice((b"", bytes(length), b"\xff" * length, data[:length]))
        yield bytes(data)


def decode_all(count: int, seed: int) -> int:
    """Decode damaged files of every kind and return how many were refused; only ImageError may be raised."""
    refused = 0
    for name, whole in files().items():
        for number, data in enumerate(damaged(whole, count, seed)):
            sys.stdout.write(f"{name} {number}\n")
            sys.stdout.flush()  # or a crash would swallow it
            try:
                image = decode(data, at_least=(None, 8)[number // 4 % 2])
            except ImageError as error:
                assert len(error.reason) < 80
                refused += 1
            else:
                assert image.dtype == np.uint8
                assert image.shape[2] == 3
    return refused


@pytest.mark.parametrize("name", files())
def test_a_cut_file_is_refused_or_the_photo_is_whole(name: str) -> None:
    if name == "heic":
        pytest.importorskip("pi_heif", reason="the extra heic is not installed")
    data = files()[name]
    whole = decode(data)
    length = len(data)
    cuts = {*range(1, 24), length // 4, length // 2, length * 3 // 4, *range(length - 12, length)}
    refused = 0
    for cut in sorted(cuts):
        try:
            image = decode(data[:cut])
        except ImageError:
            refused += 1
        else:
            assert np.array_equal(image, whole), f"cut to {cut} of {length} bytes"
    assert refused >= 24


@pytest.mark.parametrize("name", [name for name in files() if "jpeg" in name and "tiff" not in name])
def test_a_jpeg_cut_anywhere_is_refused(name: str) -> None:
    data = files()[name]
    for cut in range(len(data) - 2):
        with pytest.raises(ImageError):
            decode(data[:cut])
        with pytest.raises(ImageError):
            decode(data[:cut], at_least=8)


def run_in_a_process(count: int, seed: int) -> None:
    here = Path(__file__)
    code = (
        f"from tests.images.{here.stem} import decode_all; assert decode_all({count}, {seed}) > {10 * count}"
    )
    asked = [sys.executable, "-X", "faulthandler", "-c", code]
    done = subprocess.run(asked, cwd=here.parents[2], capture_output=True, text=True)
    last = done.stdout.strip().rpartition("\n")[2]
    assert done.returncode == 0, f"at {last}: {done.stderr[-2000:]}"
    assert "Warning" not in done.stderr


def test_damaged_files_of_every_kind_leave_the_process_alive() -> None:
    run_in_a_process(count=24, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thousands_of_damaged_files_leave_the_process_alive(seed: int) -> None:
    run_in_a_process(count=1500, seed=seed)


def test_the_bytes_that_crash_the_heic_decoder_cost_one_image_each() -> None:
    pytest.importorskip("pi_heif")
    for place in range(100, 400):
        data = bytearray(HEIC)
        data[place] ^= 0xFF
        with suppress(ImageError):
            decode(bytes(data))
    assert decode(HEIC).shape == (HEIGHT, WIDTH, 3)
