"""Photos with bytes flipped, cut, copied and swapped."""

import time
from pathlib import Path

import numpy as np
from tests.hostile.seeds import seeds

from lightprobe.errors import ImageError
from lightprobe.images import decode

SECONDS = 30.0


def case(number: int, random: np.random.Generator, _folder: Path) -> str:
    """Mutate a seed in one of five ways; what comes is pixels, or one sentence, and soon."""
    whole = seeds()[number % len(seeds())]
    how = number // len(seeds()) % 5
    content = mutated(whole, how, random)
    start = time.process_time()
    try:
        pixels = decode(content)
    except ImageError as error:
        reason = error.reason
        return "" if reason and "\n" not in reason and len(reason) < 200 else f"no sentence: {reason!r}"
    if time.process_time() - start > SECONDS:
        return f"took {time.process_time() - start:.0f} s"
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        return f"not pixels: {pixels.dtype} {pixels.shape}"
    if how == 1 and not np.array_equal(pixels, decode(whole)):
        return f"half an image: {len(content)} of {len(whole)} bytes give other pixels"
    return ""


def mutated(content: bytes, how: int, random: np.random.Generator) -> bytes:
    """Flip bits; cut the end off; overwrite, insert, or swap pieces."""
    changed = bytearray(content)
    if how == 0:
        for _ in range(int(random.integers(1, 9))):
            changed[int(random.integers(len(changed)))] ^= 1 << int(random.integers(8))
    elif how == 1:
        del changed[int(random.integers(1, len(changed))) :]
    elif how == 2:
        start = int(random.integers(len(changed)))
        length = int(random.integers(1, 65))
        changed[start : start + length] = random.bytes(min(length, len(changed) - start))
    elif how == 3:
        start, source = (int(random.integers(len(changed))) for _ in range(2))
        changed[start:start] = changed[source : source + int(random.integers(1, 257))]
    else:
        start = int(random.integers(min(64, len(changed) - 4)))
        changed[start : start + 4] = random.choice([b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"])
    return bytes(changed)
