"""Several views of each thing: plain leave-one-out overstates, leave-group-out agrees with a split by thing.

    python benchmarks/views.py DATA [--backbone NAME] [--weights FILE] [--things 40] [--views 4]

Of each class some photos are drawn; each is a thing, and its views are random crops of 70 to 95 % of its
sides, mirrored or not, turned by quarters. `lightprobe train --test-fraction 0.3` is asked twice: with
--group, which keeps the views of a thing together in the split and in leave-one-out, and without.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lightprobe.backbones import DEFAULT
from lightprobe.images import decode, open_images

SIDE = 256


def write_views(data: str, folder: Path, things: int, views: int) -> None:
    """Write views of some photos of each class: `CLASS/THING_view0.jpg` and so on."""
    rng = np.random.default_rng(0)
    images = open_images(data)
    for label, name in enumerate(images.classes):
        (folder / name).mkdir(parents=True)
        for thing in rng.permutation(np.flatnonzero(images.labels == label))[:things]:
            photo = Image.fromarray(decode(images.read(int(thing))))
            for view in range(views):
                part = rng.uniform(0.7, 0.95)
                width, height = (int(side * part) for side in photo.size)
                left, top = (
                    int(rng.integers(0, whole - side + 1))
                    for whole, side in zip(photo.size, (width, height), strict=True)
                )
                seen = photo.crop((left, top, left + width, top + height)).rotate(
                    90 * int(rng.integers(4)), expand=True
                )
                if rng.random() < 0.5:
                    seen = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                seen.resize((SIDE, SIDE)).save(folder / name / f"{name}{thing}_view{view}.jpg", quality=85)


def trained(photos: Path, run: Path, *options: str) -> dict[str, Any]:
    """Return the row of `lightprobe train`."""
    command = [sys.executable, "-m", "lightprobe", "train", str(photos), "--out", str(run), "--json", "-q"]
    how = ("--test-fraction", "0.3", "--pool", "avg", "--encode", "l2", "--kernel", "optical", *options)
    done = subprocess.run([*command, *how], check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def main() -> None:
    """Make the views, train twice, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--backbone", default=DEFAULT)
    parser.add_argument("--weights")
    parser.add_argument("--things", type=int, default=40, help="of each class")
    parser.add_argument("--views", type=int, default=4, help="of each thing")
    args = parser.parse_args()
    backbone = ("--backbone", args.backbone, *(("--weights", args.weights) if args.weights else ()))
    with tempfile.TemporaryDirectory() as folder:
        photos, runs = Path(folder) / "photos", Path(folder)
        write_views(args.data, photos, args.things, args.views)
        rows = {
            "by thing": trained(photos, runs / "grouped", "--group", r"([^/]+)_view\d+", *backbone),
            "by photo": trained(photos, runs / "plain", *backbone),
        }
    print("| left out, and split | left out | test (95 % interval) | training photos | test photos |")
    print("|---|---|---|---|---|")
    for name, row in rows.items():
        low, high = row["test_accuracy_ci95"]
        test = f"{row['test_accuracy']:.1%} ({100 * low:.1f}–{100 * high:.1f})"
        print(f"| {name} | {row['loo_accuracy']:.1%} | {test} | {row['n_train']} | {row['n_test']} |")


if __name__ == "__main__":
    main()
