"""A process that saves a model and is killed at its n-th call into the system, or anywhere near."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from lightprobe import atomic
from lightprobe.photo_model.disk import read_model, write_model


def _is_call_into_the_system(function: Any) -> bool:
    return function.__module__ == "posix" or type(function.__self__).__module__ == "_io"


def tensors(n: int) -> dict[str, Any]:
    return {"a": np.full((64, 64), n, np.float32)}


def save_and_die(folder: Path, n: int, at: int) -> int:
    """Save model n in a child that is killed at its `at`-th call; 0 if it lived, else the signal."""
    child = os.fork()
    if child == 0:
        left = at

        def counted(_frame: FrameType, event: str, argument: Any) -> None:
            nonlocal left
            if event in ("c_call", "c_return") and _is_call_into_the_system(argument):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), 9)

        sys.setprofile(counted)
        write_model(folder, tensors(n), {"n": n}, "card")
        sys.setprofile(None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@contextmanager
def without_waiting() -> Iterator[None]:
    """A kill loses nothing that the system has been told, so nobody need wait for the disk."""
    before = atomic._to_disk
    atomic._to_disk = lambda path: None
    try:
        yield
    finally:
        atomic._to_disk = before


def main(folder: Path, swap: str, first: int, step: int) -> None:
    """Kill saves at every `step`-th of their calls until one lives; each time a whole model has to stand."""
    if swap == "renames":
        atomic.exchange = lambda *_: False
    write_model(folder, tensors(0), {"n": 0}, "card")
    before, kills = 0, 0
    for at in count(first, step):
        end = save_and_die(folder, before + 1, at)
        values, config = read_model(folder)
        assert config["n"] in (before, before + 1), config["n"]
        assert (values["a"] == config["n"]).all()
        if end == 0:
            break
        kills += 1
        before = config["n"]
    sys.stdout.write(f"{kills} kills, {before} saves\n")


if __name__ == "__main__":
    with without_waiting():
        main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
