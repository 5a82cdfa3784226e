"""A thousand requests a case, from many at once, some of which teach; memory is looked at after each case."""

import gc
import io
import threading
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from tests.hostile.requests import _form
from tests.hostile.serving import raw
from tests.toys import CLASSES, toy_image

VISITORS, EACH = 50, 20
SETTLED = 2  # cases after which memory should not grow any more
SLACK = 32 << 20

_memory: list[int] = []


def case(number: int, _random: np.random.Generator, _folder: Path) -> str:
    """Ask a thousand times; each is answered, and memory stays."""
    lost: list[str] = []

    def visit(visitor: int) -> None:
        for turn in range(EACH):
            kind = CLASSES[(visitor + turn) % len(CLASSES)]
            photo = _png(kind, visitor % 20)
            if visitor == 0 and turn % 10 == 5:
                request = _form("/teach", [("file", "t.png", photo)], label=kind)
            else:
                request = _form("/predict?top=2&unknown=0.05", [("files", "a.png", photo)])
            answer = raw(request, 120)
            if not answer.startswith(b"HTTP/1.1 200") or (
                b'"label"' not in answer and b"n_train" not in answer
            ):
                lost.append(repr(answer[:200]))

    visitors = [threading.Thread(target=visit, args=(visitor,)) for visitor in range(VISITORS)]
    for thread in visitors:
        thread.start()
    for thread in visitors:
        thread.join()
    if lost:
        return f"{len(lost)} of {VISITORS * EACH} lost; the first: {lost[0]}"
    gc.collect()
    _memory.append(psutil.Process().memory_info().rss)
    if len(_memory) > SETTLED and _memory[-1] > _memory[SETTLED - 1] + SLACK:
        return f"memory grew: {[one >> 20 for one in _memory]} MiB"
    return ""


def _png(kind: str, seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(toy_image(kind, seed)).save(file, "PNG")
    return file.getvalue()
