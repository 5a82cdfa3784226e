"""One resize: the package's beside Pillow's, torch's and kornia-rs's on real photos, side by side in one run.

    python benchmarks/resizing.py DATA [--photos 200] [--sides 160 224] [--accuracy] [--json]

Each photo's shorter side becomes `side`. Printed are, for each way, the share of values that are more than 1
of 255 away from Pillow's, the largest distance, milliseconds a photo on one thread (the least of five), and
the median over photos of Pillow's time over its own. The ways take turns at each photo, so that whatever else
the machine does meets all of them alike. What is not installed is left out and said.

--accuracy  leave-one-out accuracy over all photos of DATA through EfficientNet-Lite0 (pooled, length one,
            optical kernel), squashed by each way, and how far it is above Pillow's, with its paired standard
            error.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import openvino
from numpy.typing import NDArray

from lightprobe.backbones.resizing import Interpolation, resize, resize_with_pillow
from lightprobe.head import OpticalRidge
from lightprobe.images import ImageSet, decode, open_images

Pixels = NDArray[np.uint8]
Way = Callable[[Pixels, tuple[int, int], Interpolation], Pixels]

NETWORK: Final = (
    Path(__file__).parents[1] / "src" / "lightprobe" / "backbones" / "networks" / "efficientnet_lite0.onnx"
)
REPEATS: Final = 5
BATCH: Final = 32


def torch_way() -> Way:
    """Prepare torchvision's, on one thread; from and to rows of pixels, without a copy."""
    import torch
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    torch.set_num_threads(1)

    def by_torch(image: Pixels, size: tuple[int, int], interpolation: Interpolation) -> Pixels:
        planes = torch.from_numpy(image).permute(2, 0, 1)
        how = InterpolationMode(interpolation)
        resized = functional.resize(planes, list(size), interpolation=how, antialias=True)
        return np.asarray(resized.permute(1, 2, 0))

    return by_torch


def kornia_way() -> Way:
    """Prepare kornia-rs's."""
    from kornia_rs.imgproc import resize as kornia_resize

    def by_kornia(image: Pixels, size: tuple[int, int], interpolation: Interpolation) -> Pixels:
        return np.asarray(kornia_resize(image, size, interpolation, antialias=True))

    return by_kornia


def ways() -> dict[str, Way]:
    """Every way that is installed, the truth first."""
    found: dict[str, Way] = {"pillow": resize_with_pillow, "lightprobe": resize}
    for name, make in (("torch", torch_way), ("kornia-rs", kornia_way)):
        try:
            found[name] = make()
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return found


def shorter_side(image: Pixels, side: int) -> tuple[int, int]:
    """Size of a photo whose shorter side becomes `side`."""
    height, width, _ = image.shape
    scale = side / min(height, width)
    return max(side, round(height * scale)), max(side, round(width * scale))


def compare(
    images: ImageSet, side: int, interpolation: Interpolation, arms: dict[str, Way]
) -> list[dict[str, Any]]:
    """Resize each photo by each way in turn."""
    away, worst = dict.fromkeys(arms, 0), dict.fromkeys(arms, 0)
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    values = 0
    for image in photos(images):
        size = shorter_side(image, side)
        truth: NDArray[np.int16] | None = None
        for name, way in arms.items():
            best = float("inf")
            for _ in range(REPEATS):
                start = time.perf_counter()
                resized = way(image, size, interpolation)
                best = min(best, time.perf_counter() - start)
            seconds[name].append(best)
            truth = resized.astype(np.int16) if truth is None else truth
            difference = np.abs(resized - truth)
            away[name] += int(np.count_nonzero(difference > 1))
            worst[name] = max(worst[name], int(difference.max()))
        values += size[0] * size[1] * 3
    times = {name: np.array(each) for name, each in seconds.items()}
    return [
        {
            "side": side,
            "interpolation": interpolation,
            "way": name,
            "photos": len(times[name]),
            "share_more_than_1_away": away[name] / values,
            "furthest": worst[name],
            "milliseconds": float(times[name].mean() * 1e3),
            "pillow_over_it": float(np.median(times["pillow"] / times[name])),
        }
        for name in arms
    ]


def photos(images: ImageSet) -> Iterator[Pixels]:
    """Decode to full pixels, one after the other."""
    for index in range(len(images)):
        yield decode(images.read(index))


def accuracies(images: ImageSet, interpolation: Interpolation, arms: dict[str, Way]) -> list[dict[str, Any]]:
    """Leave-one-out accuracy by each way, beside Pillow's."""
    core = openvino.Core()
    graph = core.read_model(NETWORK)
    facts = json.loads(graph.get_rt_info(["framework", "lightprobe"]).value)
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    side = facts["crop"]
    mean, std = (np.array(facts[key], np.float32) * 255 for key in ("mean", "std"))
    squares: dict[str, list[Pixels]] = {name: [] for name in arms}
    pooled: dict[str, list[NDArray[np.float32]]] = {name: [] for name in arms}
    for number, image in enumerate(photos(images), start=1):
        for name, way in arms.items():
            squares[name].append(way(image, (side, side), interpolation))
        if number % BATCH == 0 or number == len(images):
            for name, each in squares.items():
                batch = ((np.stack(each) - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
                pooled[name].append(compiled(batch)[0].mean((2, 3)))
                each.clear()
    right = {}
    for name, parts in pooled.items():
        X = np.concatenate(parts)
        head = OpticalRidge(components="exact").fit(
            X / np.linalg.norm(X, axis=1, keepdims=True), images.labels
        )
        right[name] = head.loo_scores_.argmax(axis=1) == images.labels
    rows = []
    for name, each in right.items():
        gain = each.astype(float) - right["pillow"]
        rows.append(
            {
                "way": name,
                "loo_accuracy": float(each.mean()),
                "above_pillow": float(gain.mean()),
                "standard_error": float(gain.std() / len(gain) ** 0.5),
            }
        )
    return rows


def main() -> None:
    """Compare at each side, then the accuracies if asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--sides", type=int, nargs="+", default=[160, 224])
    parser.add_argument("--interpolation", choices=get_args(Interpolation), default="bicubic")
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    images = open_images(arguments.data)
    chosen = np.random.default_rng(0).permutation(len(images))[: arguments.photos]
    sample = images.select(np.sort(chosen))
    how, arms = arguments.interpolation, ways()
    rows = [row for side in arguments.sides for row in compare(sample, side, how, arms)]
    if arguments.accuracy:
        rows += accuracies(images, how, arms)
    for row in rows:
        print(json.dumps(row) if arguments.json else "  ".join(_words(row)))


def _words(row: dict[str, Any]) -> list[str]:
    return [
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
    ]


if __name__ == "__main__":
    main()
