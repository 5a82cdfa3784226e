"""Fine-tuning by lightprobe and by fastai: the same photos, network, weights, size, epochs and machine.

    python benchmarks/against_fastai.py PHOTOS --fastai PYTHON [--network NAME] [--weights FILE]
        [--size 224] [--epochs 4] [--json]

PHOTOS is a folder of train/ and val/ (or valid/), each with a folder a class; val/ tests. PYTHON is an
interpreter that has fastai (`python -m venv v && v/bin/pip install fastai`). The arms run in processes of
their own, one after the other. fastai trains as its documentation has it: vision_learner(...) and
fine_tune(epochs) at its own rates, RandomResizedCrop with scale from 0.35, and a flip; the head alone learns
for one epoch more, as in ours. Ours keeps 15 % of train/ to choose the epoch, and theirs trains on all
of it. WEIGHTS (.safetensors) is a state_dict of torchvision's network that both start from; without it, both
start from its published weights. Seconds are from files to a fitted model, test photos not counted.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ARMS = ("lightprobe", "fastai")


def main() -> None:
    """Run both arms, or one of them, and print what each reached."""
    parser = argparse.ArgumentParser(description="Fine-tuning by lightprobe and by fastai.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--fastai", required=True, metavar="PYTHON", help="interpreter that has fastai")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--weights", default="")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=4, help="after one in which only the head learns")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--arm", choices=ARMS, help="run this one here and print its row")
    args = parser.parse_args()
    if args.arm:
        print(json.dumps({"lightprobe": ours, "fastai": theirs}[args.arm](args)))
        return
    interpreters = {"lightprobe": sys.executable, "fastai": args.fastai}
    rows = {arm: _apart(interpreters[arm], arm) for arm in ARMS}
    if args.json:
        print(json.dumps(rows))
        return
    for arm, row in rows.items():
        print(f"{arm:10} {row['accuracy']:.2%} in {row['seconds']:.0f} s")
    ratio = rows["fastai"]["seconds"] / rows["lightprobe"]["seconds"]
    print(f"fastai takes {ratio:.2f} times as long")


def ours(args: argparse.Namespace) -> dict[str, float]:
    """Fine-tune by lightprobe."""
    with tempfile.TemporaryDirectory() as out:
        command = [
            *(sys.executable, "-m", "lightprobe", "train", str(args.photos), "--method", "fine-tune"),
            *("--backbone", args.network, *(("--weights", args.weights) if args.weights else ())),
            *("--image-size", str(args.size), "--epochs", str(args.epochs + 1), "--set", "patience=null"),
            *("--out", f"{out}/run", "--json"),
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    row = json.loads(done.stdout)
    return {"accuracy": row["test_accuracy"], "seconds": row["train_seconds"]}


def theirs(args: argparse.Namespace) -> dict[str, float]:
    """Fine-tune by fastai."""
    from fastai.vision import all as fastai
    from torchvision.models import get_model

    def architecture(**_options: Any) -> Any:
        if not args.weights:
            return get_model(args.network, weights="DEFAULT")
        from safetensors.torch import load_file

        network = get_model(args.network, weights=None)
        network.load_state_dict(load_file(args.weights))
        return network

    valid = next(name for name in ("val", "valid") if (args.photos / name).is_dir())
    fastai.set_seed(0, reproducible=True)
    start = time.perf_counter()
    data = fastai.ImageDataLoaders.from_folder(
        args.photos,
        train="train",
        valid=valid,
        item_tfms=fastai.RandomResizedCrop(args.size, min_scale=0.35),
        batch_tfms=[fastai.Flip(), fastai.Normalize.from_stats(*fastai.imagenet_stats)],
        bs=32,
    )
    learner = fastai.vision_learner(data, architecture, metrics=fastai.accuracy, normalize=False)
    # What looking at test photos after each epoch takes is not training.
    watched: list[float] = []
    learner.add_cb(_Watch(fastai.Callback, watched))
    with learner.no_bar():
        learner.fine_tune(args.epochs)
    seconds = time.perf_counter() - start - sum(watched)
    return {"accuracy": float(learner.validate()[1]), "seconds": seconds}


def _Watch(base: Any, watched: list[float]) -> Any:  # noqa: N802 - makes a class, which fastai names by
    """Make a callback that notes how long each validation takes."""

    class Watch(base):  # type: ignore[misc]  # fastai has no types
        def before_validate(self) -> None:
            self.since = time.perf_counter()

        def after_validate(self) -> None:
            watched.append(time.perf_counter() - self.since)

    return Watch()


def _apart(python: str, arm: str) -> dict[str, float]:
    command = [python, __file__, *sys.argv[1:], "--arm", arm]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return row


if __name__ == "__main__":
    main()
