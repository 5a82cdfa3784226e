"""From JPEG files to features: lightprobe against torch's own loader and network, side by side in one run.

Arms, for each network at 224 px:
  loader  what PyTorch's tutorials and LightOn's code do: DataLoader with two worker processes, Pillow,
          batches of 32, eager fp32; kept alive between passes, so starting the workers is not counted
  fp32    lightprobe, the same precision
  auto    lightprobe as it chooses by itself
  int8    lightprobe, quantised on a few hundred of the photos (needs the extra int8)

The arms take turns, pass by pass; a figure is the median of its passes. Compiling happens before, and is
reported apart. `of_bound` is auto's share of what decoding and inference allow where they share the cores,
1/(1/decode + 1/inference), each measured alone in the same passes.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from lightprobe.backbones import (
    CALIBRATION_PHOTOS,
    Backbone,
    Runner,
    Tap,
    TorchBackbone,
    agreement,
    create_backbone,
    create_runner,
)
from lightprobe.errors import LightprobeError
from lightprobe.features import BackboneRunner, extract, sample_pixels
from lightprobe.images import ImageSet, decode, open_images
from lightprobe.runtime import Runtime

NETWORKS = ("resnet18", "densenet169", "mobilenet_v2")
PRECISIONS = ("fp32", "auto", "int8")
BATCH = 32


class _Files(Dataset[torch.Tensor]):
    """Photos as the tutorials read them."""

    def __init__(self, paths: list[Path], backbone: Backbone) -> None:
        p = backbone.preprocessing
        self.paths = paths
        self.transform = v2.Compose(
            [
                v2.Resize(p.resize),
                v2.CenterCrop(p.crop),
                v2.PILToTensor(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(p.mean, p.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.paths[index]) as image:
            pixels: torch.Tensor = self.transform(image.convert("RGB"))
        return pixels


def loader_arm(paths: list[Path], backbone: Backbone) -> Callable[[], None]:
    """Prepare the tutorials' way; a call is one pass over the photos."""
    assert isinstance(backbone, TorchBackbone)
    network = backbone.network([backbone.cut])
    loader = DataLoader(_Files(paths, backbone), batch_size=BATCH, num_workers=2, persistent_workers=True)

    def one_pass() -> None:
        with torch.inference_mode():
            for batch in loader:
                network(batch)[backbone.cut].mean((2, 3))

    return one_pass


def our_arm(images: ImageSet, compiled: BackboneRunner) -> Callable[[], None]:
    """Prepare lightprobe's way; a call is one pass over the photos, without the cache of features."""

    def one_pass() -> None:
        extract(images, compiled, Runtime(batch_size=BATCH, cache=False))

    return one_pass


def decoding_arm(images: ImageSet, backbone: Backbone) -> Callable[[], None]:
    """Prepare decoding and resizing alone, on as many threads as there are cores."""
    preprocessing = backbone.preprocessing

    def look(index: int) -> None:
        preprocessing.prepare(decode(images.read(index), at_least=preprocessing.resize))

    def one_pass() -> None:
        cores = os.cpu_count() or 2
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(look, range(len(images))))

    return one_pass


def inference_arm(n: int, batch: NDArray[np.uint8], runner: Runner) -> Callable[[], None]:
    """Prepare the network alone: `n` photos, the same batch again and again."""

    def one_pass() -> None:
        for _ in range(-(-n // BATCH)):
            runner(batch)

    return one_pass


def measure(name: str, weights: str, folder: Path, passes: int) -> dict[str, Any]:
    """Run all arms for one network."""
    images = open_images(folder)
    paths = [folder / path for path in images.paths]
    backbone = create_backbone(name, weights=weights)
    tap = Tap(backbone.cut)
    pixels = sample_pixels(images, backbone.preprocessing, CALIBRATION_PHOTOS)
    arms: dict[str, Callable[[], None]] = {
        "loader": loader_arm(paths, create_backbone(name, weights=weights, in_torch=True))
    }
    result: dict[str, Any] = {
        "network": name,
        "weights": backbone.weights,
        "compile_seconds": {},
        "agreement": {},
    }
    for precision in PRECISIONS:
        start = time.perf_counter()
        try:
            runner = create_runner(
                backbone,
                [tap],
                precision=precision,
                n_images=10_000,
                calibration=pixels if precision == "int8" else None,
            )
        except LightprobeError as error:
            result[f"{precision}_refused"] = str(error)
            continue
        result["compile_seconds"][precision] = time.perf_counter() - start
        result["agreement"][precision] = agreement(runner, backbone, pixels[:64])
        result[f"{precision}_runner"] = (
            f"{runner.engine} {runner.precision} {runner.weight_bytes / 1e6:.1f} MB"
        )
        arms[precision] = our_arm(images, BackboneRunner(backbone, runner))
        if precision == "auto":
            arms["decoding alone"] = decoding_arm(images, backbone)
            arms["inference alone"] = inference_arm(len(images), pixels[:BATCH], runner)
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    for arm in arms.values():
        arm()
    for _ in range(passes):
        for arm_name, arm in arms.items():
            start = time.perf_counter()
            arm()
            seconds[arm_name].append(time.perf_counter() - start)
    result["images_per_second"] = {a: len(images) / statistics.median(s) for a, s in seconds.items()}
    base = result["images_per_second"]["loader"]
    result["ratios"] = {a: result["images_per_second"][a] / base for a in PRECISIONS if a in arms}
    bound = [d + i for d, i in zip(seconds["decoding alone"], seconds["inference alone"], strict=True)]
    result["of_bound"] = statistics.median(b / s for b, s in zip(bound, seconds["auto"], strict=True))
    return result


def unpack(data: Path | None, folder: Path, n: int) -> None:
    """Put about n photos, evenly from all classes, into class folders; made-up ones without `data`."""
    if data is None:
        rng = np.random.default_rng(0)
        for i in range(n):
            small = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
            path = folder / "ab"[i % 2] / f"{i}.jpg"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(small).resize((512, 384), Image.Resampling.BICUBIC).save(path, quality=90)
        return
    with zipfile.ZipFile(data) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg"))]
        for name in names[:: max(1, len(names) // n)]:
            archive.extract(name, folder)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="zip of class folders of JPEGs; made-up photos without it")
    parser.add_argument(
        "--weights", action="append", default=[], metavar="NETWORK=FILE", help="random without it"
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    weights = dict(pair.split("=", 1) for pair in args.weights)
    with tempfile.TemporaryDirectory() as folder:
        unpack(args.data, Path(folder), args.photos)
        rows = [measure(n, weights.get(n, "random"), Path(folder), args.passes) for n in args.networks]
    if args.json:
        summary = {key: {row["network"]: row[key] for row in rows} for key in ("ratios", "agreement")}
        print(json.dumps({**summary, "rows": rows}))
        return
    for row in rows:
        print(f"{row['network']} ({row['weights']}); compiled in {row['compile_seconds']} s")
        for arm, speed in row["images_per_second"].items():
            ratio = row["ratios"].get(arm)
            extra = (
                ""
                if ratio is None
                else f"{ratio:6.2f} ×   {row[f'{arm}_runner']}, R² {row['agreement'][arm]:.5f}"
            )
            print(f"  {arm:8}{speed:8.1f} images/s {extra}")
        print(f"  auto reaches {row['of_bound']:.0%} of what decoding and inference allow")


if __name__ == "__main__":
    main()
