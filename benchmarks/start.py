"""One photo answered, in a process of its own, beside a process that imports torch and torchvision.

    python benchmarks/start.py [--repeats 10] [--model MODEL --photo FILE] [--json]

predict     lightprobe predict MODEL PHOTO; without --model one with the default network is trained, on
            made-up pictures
floor       NumPy and OpenVINO alone: the same network read, compiled and run once
torch       python -c "import torch, torchvision": what a program on torch takes before its first line
help        lightprobe --help
backbones   lightprobe backbones

The arms take turns, after one turn that warms the disk; printed are medians of wall time and of processor
time (which other work on the machine changes less), and each arm's ratio to torch's, pair by pair. What is
claimed: predict takes a third of torch's at most.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLAIMED = 1 / 3
FLOOR = """
import sys
sys.modules["openvino_telemetry"] = None
import numpy, openvino
from pathlib import Path
core = openvino.Core()
network = core.read_model(Path(sys.argv[1]).read_bytes())
run = core.compile_model(network, "CPU", {"NUM_STREAMS": 1})
run([numpy.zeros((1, 3, 224, 224), numpy.float32)])
"""


def made_up(folder: Path) -> Path:
    """Draw twenty pictures of each of three kinds."""
    rng = np.random.default_rng(0)
    for cells in (2, 6, 24):
        (folder / f"{cells} cells").mkdir(parents=True)
        for place in range(20):
            coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            coarse.resize((320, 240), Image.Resampling.BICUBIC).save(
                folder / f"{cells} cells" / f"{place}.jpg"
            )
    return folder


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command well: its wall time and its processor time, in seconds."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, os.times()
    worked = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, worked


def measure(arms: dict[str, list[str]], repeats: int) -> dict[str, Any]:
    """Let the arms take turns."""
    for command in arms.values():
        timed(command)
    taken = [{name: timed(command) for name, command in arms.items()} for _ in range(repeats)]
    return {
        name: {
            "seconds": statistics.median(turn[name][0] for turn in taken),
            "processor_seconds": statistics.median(turn[name][1] for turn in taken),
            "to_torch": statistics.median(turn[name][0] / turn["torch"][0] for turn in taken),
        }
        for name in arms
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    lightprobe = [sys.executable, "-m", "lightprobe"]
    import lightprobe as package

    network = Path(package.__file__).parent / "backbones" / "networks" / "efficientnet_lite0.onnx"
    with tempfile.TemporaryDirectory() as folder:
        pictures = made_up(Path(folder) / "pictures")
        model, photo = args.model, args.photo or next(pictures.rglob("*.jpg"))
        if model is None:
            subprocess.run(
                [*lightprobe, "train", str(pictures), "--out", f"{folder}/run", "-q"],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            model = Path(folder) / "run" / "model"
        arms = {
            "predict": [*lightprobe, "predict", "-q", str(model), str(photo)],
            "floor": [sys.executable, "-c", FLOOR, str(network)],
            "torch": [sys.executable, "-c", "import torch, torchvision"],
            "help": [*lightprobe, "--help"],
            "backbones": [*lightprobe, "backbones"],
        }
        found = measure(arms, args.repeats)
    if args.json:
        print(json.dumps(found))
        return
    for name, row in found.items():
        print(
            f"{name:10} {row['seconds']:6.2f} s {row['processor_seconds']:6.2f} s of processors"
            f" {row['to_torch']:7.2f} of torch's"
        )
    share = found["predict"]["to_torch"]
    print(f"predict takes {share:.2f} of torch's import; claimed is {CLAIMED:.2f} at most")


if __name__ == "__main__":
    main()
