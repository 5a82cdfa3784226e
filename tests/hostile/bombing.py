"""Small files that cost much, each in a process whose time and memory are measured."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from tests.hostile.bombs import BOMBS

from lightprobe.images import BYTES_A_PIXEL
from lightprobe.images.imageset import DEFAULT_MAX_PIXELS

SECONDS = 60.0
# A photo that is turned, the process itself, and its decoder's.
MOST_BYTES = DEFAULT_MAX_PIXELS * (BYTES_A_PIXEL + 3) + (400 << 20)
CODE = """
import sys
from lightprobe.errors import ImageError
from lightprobe.images import decode
try: print(decode(open(sys.argv[1], "rb").read()).shape)
except ImageError as error: print(error.reason)
"""


def case(number: int, _random: np.random.Generator, folder: Path) -> str:
    """Decode a bomb."""
    name, make = list(BOMBS.items())[number]
    (folder / name).write_bytes(make())
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(folder / name)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    peak, start = 0, time.monotonic()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, _memory(process.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        said = process.communicate(timeout=3 * SECONDS)[0].decode()
    except subprocess.TimeoutExpired:
        process.kill()
        return f"{name}: no end within {3 * SECONDS:.0f} s"
    finally:
        done.set()
        watching.join()
    seconds = time.monotonic() - start
    load = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # others' work is no fault of the decoder
    if process.returncode or "Traceback" in said:
        return f"{name}: {said[-200:]}"
    if seconds > SECONDS * load:
        return f"{name}: took {seconds:.0f} s"
    return f"{name}: took {peak >> 20} MiB" if peak > MOST_BYTES else ""


def _memory(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return int(sum(one.memory_info().rss for one in (process, *process.children())))
    except psutil.Error:
        return 0
