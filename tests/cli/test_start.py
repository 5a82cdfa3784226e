"""What a process loads to answer for one photo, and to list what can be named: counted, not timed.

Each of these libraries takes a process longer to import than all the rest of an answer.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lightprobe import ImageClassifier
from lightprobe.cli import main

SLOW = (
    *(
        "torch",
        "torchvision",
        "timm",
        "lightning",
        "sklearn",
        "scipy",
        "numba",
        "pandas",
        "matplotlib",
        "onnx",
    ),
    *("asyncio", "urllib.request", "http.client", "ssl"),
)
# NumPy alone is 130, OpenVINO 130 more.
MOST_MODULES = 700
PROGRAM = """
import json, sys
from lightprobe.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as stop:
    status = stop.code
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
"""
HEADS: dict[str, dict[str, Any]] = {
    "exact": {"kernel": "optical"},
    "linear": {"kernel": "linear"},
    "bits": {"kernel": "optical", "encode": "float32", "pool": "flatten"},
}


def loaded(*words: str) -> set[str]:
    """The modules of a process that ran a command line well."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stderr.splitlines()[-1])
    assert status == 0, done.stderr
    return set(modules)


@pytest.mark.parametrize("head", HEADS)
def test_an_answer_loads_neither_estimators_nor_what_trains(
    head: str, toy_folder: Path, tmp_path: Path
) -> None:
    ImageClassifier(precision="fp32", device="cpu", **HEADS[head]).fit(toy_folder).save(tmp_path / "model")
    photo = next((toy_folder / "test").rglob("*.png"))
    why = () if head == "exact" else ("--why", "2", "--unknown", "0.05")
    modules = loaded("predict", "-q", str(tmp_path / "model"), str(photo), *why)
    assert modules.isdisjoint(SLOW)
    assert len(modules) < MOST_MODULES


def test_an_exported_file_answers_without_them_too(toy_folder: Path, tmp_path: Path) -> None:
    ImageClassifier(precision="fp32", device="cpu", kernel="linear").fit(toy_folder).save(tmp_path / "model")
    out = str(tmp_path / "toys.onnx")
    assert main(["export", str(tmp_path / "model"), "--format", "onnx", "--out", out, "-q"]) == 0
    assert loaded("predict", "-q", out, str(toy_folder / "test")).isdisjoint(SLOW)


def test_networks_are_listed_without_loading_what_runs_them() -> None:
    modules = loaded("backbones")
    assert modules.isdisjoint({*SLOW, "openvino"})


def test_help_loads_not_even_numpy() -> None:
    assert loaded("--help").isdisjoint({*SLOW, "openvino", "numpy"})
