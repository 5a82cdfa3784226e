"""Training beside other work: with the program's own threads, and with passive waiting forced from outside.

    python benchmarks/contention.py [DATA] [--busy 0 1 2 4] [--repeats 3] [--work spin multiply] [--json]

Trains on the features of photos, cached by a first run that does not count: on DATA, or without it on made-up
pictures seen through the default network. Beside it run so many processes that

spin        count in a loop: they want a core each and share nothing
multiply    multiply matrices in as many threads as there are cores, as other programs of this kind do

The arms `own` (the environment as the command line finds it, without variables of OpenMP's) and `passive`
(OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0 given from outside) take turns. Printed are medians of seconds, and
of the ratio within a turn. What is claimed: own takes no more than 1.15 times passive's, however busy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLAIMED = 1.15
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
READ_BY_OPENMP = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
WORK = {
    "spin": "while True: pass",
    "multiply": "import numpy; a = numpy.ones((1500, 1500))\nwhile True: a @ a",
}
PICTURES, CLASSES = 300, 5


def made_up(folder: Path) -> Path:
    """Draw pictures of a few kinds, told apart by how coarse they are."""
    rng = np.random.default_rng(0)
    for kind in range(CLASSES):
        (folder / f"kind {kind}").mkdir(parents=True)
        for place in range(PICTURES):
            cells = 2 + 3 * kind + int(rng.integers(3))
            coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            coarse.resize((160, 160), Image.Resampling.BICUBIC).save(folder / f"kind {kind}" / f"{place}.jpg")
    return folder


@contextmanager
def beside(work: str, n: int) -> Iterator[None]:
    """Keep so many processes at work."""
    processes = [subprocess.Popen([sys.executable, "-c", WORK[work]]) for _ in range(n)]
    try:
        if processes:
            time.sleep(1)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def train(data: Path, folder: Path, given: dict[str, str]) -> float:
    """Train in a process of its own and return the seconds that it took."""
    own = {name: value for name, value in os.environ.items() if name not in READ_BY_OPENMP}
    command = [sys.executable, "-m", "lightprobe", "train", str(data), "--out", str(folder / "run"), "-q"]
    start = time.perf_counter()
    subprocess.run(command, env=own | given, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(data: Path, folder: Path, work: str, busy: int, repeats: int) -> dict[str, Any]:
    """Let the arms take turns beside so many processes."""
    taken: list[tuple[float, float]] = []
    with beside(work, busy):
        for turn in range(repeats):
            arms = ({}, PASSIVE) if turn % 2 == 0 else (PASSIVE, {})
            seconds = [train(data, folder, given) for given in arms]
            taken.append((seconds[turn % 2], seconds[1 - turn % 2]))
    return {
        "work": work,
        "busy": busy,
        "own_s": statistics.median(own for own, _ in taken),
        "passive_s": statistics.median(passive for _, passive in taken),
        "ratio": statistics.median(own / passive for own, passive in taken),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--work", nargs="+", choices=WORK, default=list(WORK))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["LIGHTPROBE_CACHE"] = str(folder / "cache")
        data = args.data or made_up(folder / "pictures")
        train(data, folder, PASSIVE)
        for work in args.work:
            for busy in args.busy:
                if busy or work == args.work[0]:  # alone is alone, whatever others would do
                    rows.append(measure(data, folder, work, busy, args.repeats))
                    if not args.json:
                        print("beside {busy} that {work}: own {own_s:.1f} s".format(**rows[-1]), end=", ")
                        print("passive {passive_s:.1f} s, ratio {ratio:.2f}".format(**rows[-1]), flush=True)
    if args.json:
        print(json.dumps(rows))
    else:
        worst = max(row["ratio"] for row in rows)
        print(f"at most {worst:.2f} times passive's; claimed is {CLAIMED}")


if __name__ == "__main__":
    main()
