"""Decoders that share no code with ours, each from a file's bytes to what `decode` documents.

Each returns (h, w, 3) uint8, upright and over white. None of them is a decoder of ours.
The packages are no part of the project's extras:

    pip install --no-deps opencv-python-headless imagecodecs tifffile pyvips pyvips-binary av cffi pycparser
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

NEEDED = (
    "pip install --no-deps opencv-python-headless imagecodecs tifffile pyvips pyvips-binary av cffi pycparser"
)


def opencv(data: bytes) -> Pixels:
    """JPEG, BMP and PPM. Turns a JPEG upright by its EXIF itself."""
    import cv2

    upright = data.startswith(b"\xff\xd8")
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR if upright else cv2.IMREAD_UNCHANGED)
    if read is None:
        raise ValueError("OpenCV does not read it")
    if read.ndim == 2:
        read = read[:, :, np.newaxis]
    if read.shape[2] >= 3:
        read = read[:, :, [2, 1, 0, *range(3, read.shape[2])]]
    return _as_documented(read)


def vips(data: bytes) -> Pixels:
    """PNG, GIF, WebP, AVIF and what else libvips opens, CIELab and CMYK TIFF too."""
    import pyvips

    image = pyvips.Image.new_from_buffer(data, "", fail_on="error").autorot()
    if image.interpretation in ("lab", "labs", "labq", "scrgb"):
        image = image.colourspace("srgb")
    return _as_documented(np.atleast_3d(image.numpy()))


def tiff(data: bytes) -> Pixels:
    """TIFF by tifffile, with the colour and the orientation from the tags (TIFF 6.0)."""
    import tifffile

    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages[0]
        values = np.asarray(page.asarray())
        photometric = int(page.photometric)
        if page.planarconfig == 2 and values.ndim == 3:
            values = np.moveaxis(values, 0, -1)
        bits = page.bitspersample
        orientation = page.tags.valueof(274, 1)
        palette = page.colormap
        stated = page.tags.valueof(341, page.tags.valueof(281))
        extra = tuple(page.extrasamples)
        jpeg = int(page.compression) in (6, 7)
    if values.dtype == bool:
        values, bits = values.astype(np.uint8), 1
    if photometric == 3:
        return _turned((palette[:, values] >> 8).astype(np.uint8).transpose(1, 2, 0), orientation)
    if bits < 8:
        values = np.rint(values * (255.0 / (2**bits - 1))).astype(np.uint8)
    values = np.atleast_3d(values)
    if photometric == 0:
        values = (np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1) - values
    if photometric == 5:
        ink = values[:, :, :4].astype(float) / np.iinfo(values.dtype).max
        values = np.rint(255 * (1 - ink[:, :, :3]) * (1 - ink[:, :, 3:])).astype(np.uint8)
        extra = ()
    if photometric == 6 and not jpeg:
        values = _from_ycbcr(values)
    if photometric == 8:
        values = _from_lab(values)
    colours = 3 if photometric in (2, 5, 6, 8) else 1
    # 1 is alpha the colours are multiplied by, 2 is alpha beside them, 0 says nothing.
    if extra and int(extra[0]) in (1, 2):
        values = values[:, :, : colours + 1]
        if int(extra[0]) == 1:
            top = np.iinfo(values.dtype).max
            alpha = values[:, :, colours:].astype(float)
            lit = np.minimum(values[:, :, :colours] + (top - alpha), top)
            values = np.rint(lit).astype(values.dtype)
    else:
        values = values[:, :, :colours]
    if values.dtype == np.uint16 and colours == 1 and stated and stated >= values.max():
        # SMaxSampleValue or MaxSampleValue says what is white.
        values = np.rint(values * (65535.0 / stated)).astype(np.uint16)
    return _turned(_as_documented(values), orientation)


def imagecodecs(data: bytes) -> Pixels:
    """JPEG of 12 bits and lossless JPEG, which OpenCV's build leaves out; AVIF."""
    import imagecodecs

    if data[4:8] == b"ftyp":
        return _as_documented(np.atleast_3d(imagecodecs.avif_decode(data)))
    values = np.atleast_3d(imagecodecs.jpeg8_decode(data))
    if values.dtype == np.uint16:
        values = np.rint(values / 4095 * 255).astype(np.uint8)
    return _as_documented(values)


def ffmpeg(data: bytes, size: str = "", turns: str = "0") -> Pixels:
    """HEIC and BMP. It leaves HEIC's tiles as they are, so the table says how they are laid.

    `size` is the picture's WIDTHxHEIGHT as stored, of which the file's first streams are the tiles, row by
    row, and `turns` the quarter turns anticlockwise that follow.
    """
    import av

    with av.open(BytesIO(data)) as file:
        if not size:
            frame = next(file.decode(video=0))
            return np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
        n_streams = len(file.streams.video)
    width, height = (int(side) for side in size.split("x"))
    tiles: list[Pixels] = []
    for stream in range(n_streams):
        with av.open(BytesIO(data)) as file:
            tiles.append(next(file.decode(file.streams.video[stream])).to_ndarray(format="rgb24"))
        tall, wide = tiles[0].shape[:2]
        rows, columns = -(-height // tall), -(-width // wide)
        if len(tiles) == rows * columns:
            break
    lines = [np.concatenate(tiles[row * columns : (row + 1) * columns], axis=1) for row in range(rows)]
    return np.rot90(np.concatenate(lines)[:height, :width], int(turns))


JUDGES: dict[str, Callable[..., Pixels]] = {
    "opencv": opencv,
    "vips": vips,
    "tifffile": tiff,
    "imagecodecs": imagecodecs,
    "ffmpeg": ffmpeg,
}


def _as_documented(values: NDArray[Any]) -> Pixels:
    """Return (h, w, 1 to 4) of any number type as RGB of 8 bits over white."""
    bands = values.shape[2]
    pixels = _eight_bits(values[:, :, : 1 if bands < 3 else 3])
    if bands in (2, 4):
        top = np.iinfo(values.dtype).max if values.dtype.kind in "ui" else 1
        alpha = values[:, :, bands - 1 :].astype(float) / top
        pixels = 255 + (pixels - 255) * alpha
    return np.rint(np.broadcast_to(pixels, (*values.shape[:2], 3))).astype(np.uint8)


def _eight_bits(values: NDArray[Any]) -> NDArray[np.float64]:
    """Scale by the documented rule: white is the largest value of so many bits, the first that holds all."""
    numbers = np.nan_to_num(values.astype(float), posinf=0, neginf=0)
    if values.dtype == np.uint8:
        return np.asarray(numbers)
    whites = [float(2**bits - 1) for bits in (8, 10, 12, 14, 16)]
    if values.dtype.kind == "f":
        whites = [1.0, *whites]
    elif values.shape[2] == 3:
        whites = [65535.0]
    low, high = numbers.min(), numbers.max()
    white = next((limit for limit in whites if low >= 0 and high <= limit), None)
    if white is None:
        return np.asarray((numbers - low) * (255 / ((high - low) or 1)))
    return np.asarray(numbers * (255 / white))


def _from_ycbcr(values: NDArray[Any]) -> Pixels:
    y, b, r = (values[:, :, i].astype(float) - (0, 128, 128)[i] for i in range(3))
    rgb = np.stack([y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b], axis=2)
    return np.asarray(np.rint(rgb).clip(0, 255), dtype=np.uint8)


def _from_lab(values: NDArray[Any]) -> Pixels:
    """CIELab of white D50, as TIFF and ICC have it, to sRGB (IEC 61966-2-1) by Bradford's adaptation."""
    lightness = values[:, :, 0].astype(float) * (100 / np.iinfo(values.dtype).max)
    a, b = (values[:, :, i].view(f"i{values.itemsize}") / 256.0 ** (values.itemsize - 1) for i in (1, 2))
    middle = (lightness + 16) / 116
    ratios = np.stack([middle + a / 500, middle, middle - b / 200], axis=2)
    cubes = np.where(ratios > 6 / 29, ratios**3, 3 * (6 / 29) ** 2 * (ratios - 4 / 29))
    xyz = cubes * (0.96422, 1.0, 0.82521)
    matrix = np.array(
        [
            [3.1338561, -1.6168667, -0.4906146],
            [-0.9787684, 1.9161415, 0.0334540],
            [0.0719453, -0.2289914, 1.4052427],
        ]
    )
    linear = (xyz @ matrix.T).clip(0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * coded), dtype=np.uint8)


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Undo a TIFF orientation, as a turn after a mirror."""
    turn, mirrored = {
        1: (0, 0),
        2: (0, 1),
        3: (2, 0),
        4: (2, 1),
        5: (1, 1),
        6: (3, 0),
        7: (3, 1),
        8: (1, 0),
    }.get(int(orientation or 1), (0, 0))
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, turn)
