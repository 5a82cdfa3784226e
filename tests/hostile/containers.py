"""Zips with damaged directories and members, tables and lists of anything."""

import io
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.hostile.mutations import mutated
from tests.hostile.seeds import seeds

from lightprobe.errors import ImageError, LightprobeError
from lightprobe.images import decode, open_images, open_unlabelled
from lightprobe.prediction_files import photo_blocks
from lightprobe.runs.update import read_relabelling

if TYPE_CHECKING:
    from collections.abc import Callable

CELLS = (
    "path", "label", "split", "a.png", "../../etc/passwd", "/etc/passwd", "=1+1", "-", "", '"', "é", "\0",
    "x" * 5000, "train", "\u2028", "\udc80", "1e999", "\r", "cat", "a\nb", "'", "\ufeff", "con", "*",
)  # fmt: skip


def case(number: int, random: np.random.Generator, folder: Path) -> str:
    """Read a damaged zip, or a table of chance, in every way that reads one."""
    ways: list[Callable[[], Any]]
    if number % 2:
        file = folder / "photos.zip"
        file.write_bytes(_damaged_zip(random))
        ways = [lambda: open_images(file), lambda: open_unlabelled(file)]
    else:
        file = folder / str(random.choice(["table.csv", "table.tsv", "list.txt"]))
        file.write_bytes(_table(random))
        (folder / "a.png").write_bytes(seeds()[5])
        lines = file.read_bytes().split(b"\n")
        ways = [
            lambda: open_images(file),
            lambda: open_unlabelled(file),
            lambda: read_relabelling(file),
            lambda: list(photo_blocks(["-"], lines)),
        ]
    for way in ways:
        try:
            found = way()
        except LightprobeError as error:
            if not str(error).strip():
                return "an error without a sentence"
            continue
        for images in found if isinstance(found, list) else [found]:
            for index in range(min(20, len(images)) if hasattr(images, "read") else 0):
                try:
                    decode(images.read(index))
                except ImageError:
                    continue
    return ""


def _damaged_zip(random: np.random.Generator) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(
        file, "w", int(random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    ) as archive:
        names = ("cat/1.jpg", "cat/2.png", "dog/1.gif", "../out.png", "dog/é.webp")
        for place, name in enumerate(names):
            archive.writestr(name, seeds()[place * 7 % len(seeds())])
    content = file.getvalue()
    directory = content.find(b"PK\1\2")
    how = int(random.integers(4))
    if how == 0:  # of a later version, encrypted, or by another method
        changed = bytearray(content)
        for start in _places(content, b"PK\1\2"):
            offset, value = ((6, 63), (8, 1), (10, 99))[int(random.integers(3))]
            struct.pack_into("<H", changed, start + offset, value + int(random.integers(3)))
        return bytes(changed)
    head, tail = (content[:directory], content[directory:]) if how < 3 else (b"", content)
    return head + mutated(tail, int(random.integers(5)), random)


def _places(content: bytes, mark: bytes) -> list[int]:
    return [place for place in range(len(content)) if content.startswith(mark, place)]


def _table(random: np.random.Generator) -> bytes:
    encoding = str(random.choice(["utf-8", "utf-16", "utf-8-sig", "latin-1"]))
    rows = [
        str(random.choice([",", ";", "\t"])).join(
            CELLS[int(random.integers(len(CELLS)))] for _ in range(int(random.integers(1, 5)))
        )
        for _ in range(int(random.integers(1, 12)))
    ]
    if random.random() < 0.6:
        rows.insert(0, "path,label")
    return "\n".join(rows).encode(encoding, "replace" if encoding != "utf-8" else "surrogateescape")
