"""Processes killed while they save, answer, or update."""

import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
from tests.hostile.toy_model import toys
from tests.photo_model.killed_save import save_and_die, tensors, without_waiting

from lightprobe import atomic, load
from lightprobe.photo_model.disk import read_model, write_model

CALLS = 500  # of a save into the system, some more than there are
LIGHTPROBE = [sys.executable, "-c", "import sys; from lightprobe.cli import main; sys.exit(main())"]


def case(number: int, random: np.random.Generator, folder: Path) -> str:
    """Kill a save at one of its calls, or a command at some time."""
    if number % 10 == 8:
        return _predict(random, folder)
    if number % 10 == 9:
        return _update(random, folder)
    return _save(number, int(random.integers(CALLS)), folder / "m")


def _save(number: int, at: int, folder: Path) -> str:
    exchange = atomic.exchange
    with without_waiting():
        write_model(folder, tensors(1), {"n": 1}, "card")
        if number % 2:
            atomic.exchange = lambda *_: False
        try:
            save_and_die(folder, 2, at)
        finally:
            atomic.exchange = exchange
        values, config = read_model(folder)
        if config["n"] not in (1, 2) or not (values["a"] == config["n"]).all():
            return f"killed at call {at}, {config['n']} stands there"
        write_model(folder, tensors(3), {"n": 3}, "card")
    return "" if read_model(folder)[1]["n"] == 3 else "the next save did not save"


def _predict(random: np.random.Generator, folder: Path) -> str:
    photos, model = toys()
    command = [
        *LIGHTPROBE,
        "predict",
        str(model),
        str(photos / "train"),
        "-q",
        "--csv",
        str(folder / "t.csv"),
    ]
    _killed(command, float(random.uniform(0.3, 1.2)) * _seconds())
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        return f"the same command ended with {done.returncode}: {done.stderr.decode()[-200:]}"
    if (folder / "t.csv").read_bytes() != _whole():
        return "what was gone on with ended otherwise"
    left = [path.name for path in folder.iterdir() if path.name != "t.csv"]
    return f"left: {left}" if left else ""


def _update(random: np.random.Generator, folder: Path) -> str:
    photos, model = toys()
    run = Path(shutil.copytree(model.parent, folder / "run"))
    name = sorted((photos / "train").rglob("*.png"))[0]
    command = [*LIGHTPROBE, "update", str(run / "model"), "--remove", str(name), "-q"]
    _killed(command, float(random.uniform(0.5, 1.2)) * _seconds())
    left = load(run / "model").n_train_
    return "" if left in (35, 36) else f"a model of {left} photos stands there"


def _killed(command: list[str], seconds: float) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@cache
def _whole() -> bytes:
    """The table of a run that nothing stopped."""
    return _measured()[0]


@cache
def _seconds() -> float:
    return _measured()[1]


@cache
def _measured() -> tuple[bytes, float]:
    photos, model = toys()
    table = model.parent / "whole.csv"
    start = time.monotonic()
    command = [*LIGHTPROBE, "predict", str(model), str(photos / "train"), "-q", "--csv", str(table)]
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.monotonic() - start
    content = table.read_bytes()
    table.unlink()
    return content, seconds
