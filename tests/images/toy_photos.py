"""Photos of a few pixels, made in memory: four quarters of one colour each, so that any turn shows."""

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 64, 48
QUARTERS = ((220, 30, 30), (30, 200, 40), (40, 60, 210), (240, 230, 60))  # top left, top right, bottom ...


def pixels() -> NDArray[np.uint8]:
    """Return the toy photo as (48, 64, 3)."""
    image = np.empty((HEIGHT, WIDTH, 3), dtype=np.uint8)
    for quarter, colour in enumerate(QUARTERS):
        top, left = HEIGHT // 2 * (quarter // 2), WIDTH // 2 * (quarter % 2)
        image[top : top + HEIGHT // 2, left : left + WIDTH // 2] = colour
    return image


def smooth() -> NDArray[np.uint8]:
    """Return a smooth (48, 64, 3) photo with every channel different, which JPEG keeps closely."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([3 * x + y, 200 - 2 * x + 1 * y, 30 + 4 * y], axis=2).astype(np.uint8)


def encoded(image: Image.Image | NDArray[Any], kind: str, **options: Any) -> bytes:
    """Return an image as a file of format `kind` (Pillow's name)."""
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def write_photo(path: Path, colour: tuple[int, int, int] = (200, 100, 50), kind: str = "PNG") -> Path:
    """Write an 8 × 8 photo of one colour, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(Image.new("RGB", (8, 8), colour), kind))
    return path


# The toy photo as an iPhone would store it; pi-heif only reads, so it was written once with pillow-heif 1.8.
HEIC = base64.b64decode(
    """
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA
AAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAL4AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAA
AA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNw
AAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFz
wIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAA
Av////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAMZtZGF0AAAAuigBrwngITip//It
3/8THZe5lyeVp79Y//kcPvJ+//jtbdH6Nrzf/CqO+7Pv+OBcTCyflH/8CrL4OAWinZ7AywHO/G8Q2GeF3fdflu0PwGK0QAej
BTUdwDlEJcAvctm5DSqgYvsLD96bJEZ/kCiVPFXd4Fc4XqwdcgEZm/a2h/Zsk/Hx/w/V3xhghtiyDsC0aBDrb/pJSSaasL/Z
vkyn1AWgM/uJ5+8M4rfRP/WvR4ynXGKPyspGRSwxgA==
"""
)
