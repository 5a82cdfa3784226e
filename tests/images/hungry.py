"""A helper whose decoder runs for ever, or asks for more and more memory, at a word."""

from typing import Any

import numpy as np

from lightprobe.errors import ImageTooLargeError
from lightprobe.images import isolated, pillow


def serve(shared: int) -> None:
    """Answer as the real helper does."""
    real = pillow._opened

    def opened(data: bytes, kind: str, max_pixels: int) -> Any:
        if data == b"time":
            while True:
                pass
        return real(data, kind, max_pixels) if data != b"memory" else _more()

    pillow._opened = opened
    isolated._CPU_SECONDS = 1
    isolated.serve(shared)


def _more() -> Any:
    try:
        held = [np.ones(10**7) for _ in range(50)]
    except MemoryError:
        raise ImageTooLargeError("needs more memory to decode than is allowed") from None
    return held
