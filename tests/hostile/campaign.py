"""Campaigns of attacks: many cases of one kind, each from its number alone, in processes that may die.

A case is a function of its number, a random generator seeded by it, and a folder of its own. It returns what
fell, in a sentence, or nothing. Results go line by line into a file, so that what was stopped goes on.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np

SEED: Final = 20
PATIENCE: Final = 300.0  # seconds for one case, beyond which it has no end

Case = Callable[[int, np.random.Generator, Path], str]


@dataclass(frozen=True)
class Campaign:
    """Attacks of one kind.

    Attributes
    ----------
    name, promise : str
        What is attacked, and what has to hold.
    module : str
        In this folder; its `case` is run.
    n, n_quick : int
        Cases, and those where HOSTILE=quick.
    """

    name: str
    promise: str
    module: str
    n: int
    n_quick: int

    def size(self) -> int:
        """Cases that are asked for."""
        return self.n_quick if os.environ.get("HOSTILE") == "quick" else self.n

    def numbers(self) -> list[int]:
        """Which cases these are: the first, or in a quick run as many that are spread over all."""
        return [place * self.n // self.size() for place in range(self.size())]


CAMPAIGNS: Final = (
    Campaign("mutated photos", "pixels or one sentence; no crash, no half image", "mutations", 10_000, 500),
    Campaign("bombs", "refused, or decoded within 60 s and the memory that is allowed", "bombing", 19, 19),
    Campaign("zips and tables", "read, or one sentence; single errors stay single", "containers", 2_000, 200),
    Campaign("damaged models and caches", "one sentence, or what was written", "damage", 1_000, 100),
    Campaign("kills", "the old or the new, whole; what is gone on with ends the same", "kills", 200, 20),
    Campaign("faults of disk and limits", "one sentence, and what was there stays", "faults", 50, 10),
    Campaign("hostile requests", "a status below 500, nothing read or changed", "requests", 100, 100),
    Campaign("requests in a row", "each answered; memory does not grow", "soak", 10, 1),
)


@dataclass
class Result:
    """How a campaign went."""

    tried: int
    fell: list[str]


def run(campaign: Campaign, state: Path, say: Callable[[str], None]) -> Result:
    """Run what is left of a campaign, in as many processes one after the other as die of it."""
    state.mkdir(parents=True, exist_ok=True)
    file = state / f"{campaign.module}.jsonl"
    while rest := sorted(set(campaign.numbers()) - _done(file).keys()):
        started = _run_some(campaign, rest, file)
        if started is not None:
            number, how = started
            _write(file, number, how)
    done = _done(file)
    fell = [f"case {n}: {done[n]}" for n in campaign.numbers() if done[n]]
    for one in fell:
        say(f"{campaign.name}, {one}")
    return Result(campaign.size(), fell)


def _run_some(campaign: Campaign, numbers: list[int], file: Path) -> tuple[int, str] | None:
    """Run cases in a process; the one that it died of, and how, if it did."""
    command = [sys.executable, "-m", "tests.hostile.campaign", campaign.module, str(file)]
    # A new name for its cache, so that no campaign sees another's.
    with (
        tempfile.TemporaryDirectory(prefix="lightprobe-hostile-") as cache,
        file.with_suffix(".log").open("ab") as log,
    ):
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "LIGHTPROBE_CACHE": cache},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(numbers))
        process.stdin.close()
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        reader = threading.Thread(target=_forward, args=(process.stdout, lines))
        reader.start()
        last = numbers[0]
        how = ""
        try:
            while (line := lines.get(timeout=PATIENCE)) is not None:
                last = int(line)
        except queue.Empty:
            how = f"no end within {PATIENCE:.0f} s"
            process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
    if how or process.returncode:
        return last, how or f"the process ended with {process.returncode}"
    return None


def _forward(lines: Iterator[str], to: "queue.SimpleQueue[str | None]") -> None:
    for line in lines:
        to.put(line)
    to.put(None)


def _done(file: Path) -> dict[int, str]:
    if not file.exists():
        return {}
    found: dict[int, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            number, fell = json.loads(line)
        except ValueError:
            continue  # half a line, of a run that was stopped: its case is run again
        found[number] = fell
    return found


def _write(file: Path, number: int, fell: str) -> None:
    with file.open("a", encoding="utf-8") as results:
        results.write(json.dumps([number, fell]) + "\n")


def main(module: str, file: Path) -> None:
    """Run the cases whose numbers stdin gives; each is named on stdout before it begins."""
    case: Case = import_module(f"tests.hostile.{module}").case
    for number in json.load(sys.stdin):
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        folder = Path(tempfile.mkdtemp(prefix="lightprobe-case-"))
        try:
            fell = case(number, np.random.default_rng([SEED, zlib.crc32(module.encode()), number]), folder)
        except Exception:  # whatever it is, it is no sentence
            fell = " ".join(traceback.format_exc().split())[-300:]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _write(file, number, fell)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
