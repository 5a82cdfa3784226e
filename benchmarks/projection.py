"""Milliseconds a photo from 81,536 sign bits to 120,000 optical features: structured against dense.

    python benchmarks/projection.py [--weights squeezenet1_1.safetensors --data PHOTOS] [--json]

Arms alternate in one run and medians are reported. The dense arms take one block of R's columns, ready
made, and are scaled to all of them (their time is proportional to the columns); making R is reported
apart. Without photos the bits are independent, of the density that SqueezeNet's features have.
"""

import argparse
import json
import math
import multiprocessing
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from lightprobe.optics import complex_gaussian, dense_projection, structured_projection
from lightprobe.threads import cpu_threads

N_FEATURES, N_COMPONENTS = 81_536, 120_000
DENSITY = 0.1  # of the sign bits of SqueezeNet 1.1's features on photos of flowers
SEED = 0


class PeakMemory:
    """The largest resident size of this process while the block runs, in MB, libraries and data included."""

    def __enter__(self) -> Self:
        self._process, self._done, self.mb = psutil.Process(), threading.Event(), 0.0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self.mb = max(self.mb, self._process.memory_info().rss / 1e6)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def photo_bits(weights: Path, photos: Path, n: int) -> NDArray[np.uint8]:
    """Sign bits (n, 81536) of SqueezeNet 1.1's features at 224 pixels, the first of its 86,528."""
    from PIL import Image
    from safetensors.torch import load_file
    from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

    network = squeezenet1_1()
    network.load_state_dict(load_file(weights))
    network.eval()
    prepare = SqueezeNet1_1_Weights.IMAGENET1K_V1.transforms()
    files = sorted(p for p in photos.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[:: max(1, len(files) // n)][:n]
    rows = []
    with torch.inference_mode():
        for file in files:
            with Image.open(file) as image:
                rows.append(network.features(prepare(image.convert("RGB"))[None]).flatten()[:N_FEATURES] > 0)
    return torch.stack(rows).numpy().astype(np.uint8)


def exact_kernel(bits: torch.Tensor) -> torch.Tensor:
    """|x|²|y|² + (x·y)² for every two rows."""
    X = bits.double()
    norms = X.sum(1)
    return norms[:, None] * norms + (X @ X.T) ** 2


def kernel_error(bits: torch.Tensor, draw: Callable[[int], torch.Tensor], n_maps: int) -> float:
    """Root mean square over the maps draw(0), draw(1), ... of ‖φ(X)φ(X)ᵀ − K‖ / ‖K‖."""
    exact = exact_kernel(bits)
    grams = (f @ f.T for f in (draw(seed).double() for seed in range(n_maps)))
    return math.sqrt(statistics.fmean(float((gram - exact).norm() / exact.norm()) ** 2 for gram in grams))


def expected_dense_error(bits: torch.Tensor, k: int) -> float:
    """Give the same for a dense map, from the fourth moments of two correlated complex Gaussians."""
    X = bits.double()
    products, squares = X.sum(1)[:, None] * X.sum(1), (X @ X.T) ** 2
    variance = 4 * products**2 + 16 * products * squares + 4 * squares**2 - (products + squares) ** 2
    return float((variance.sum() / k).sqrt()) / float(exact_kernel(bits).norm())


def errors(bits: torch.Tensor, k: int, n_maps: int) -> dict[str, float]:
    """Both maps at k features, and the structured one at all of them, where a dense one takes too long."""
    dense, _ = dense_projection(bits, k * n_maps, SEED, scale=k**-0.5)
    return {
        "error_components": k,
        "error_structured": kernel_error(bits, lambda s: structured_projection(bits, k, s), 8 * n_maps),
        "error_dense": kernel_error(bits, lambda s: dense[:, s * k : (s + 1) * k], n_maps),
        "error_dense_expected": expected_dense_error(bits, k),
        "error_structured_full": kernel_error(
            bits, lambda s: structured_projection(bits, N_COMPONENTS, s), 16
        ),
        "error_dense_full_expected": expected_dense_error(bits, N_COMPONENTS),
    }


def measure_cpu(bits: torch.Tensor, args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds a photo of each arm, the work space, and the errors."""
    n, k, width = len(bits), N_COMPONENTS, args.columns
    out = torch.zeros((n, k))

    def structured_arm() -> None:
        structured_projection(bits, k, SEED, out=out)

    structured_arm()  # compiles, or loads what was compiled
    with PeakMemory() as peak:
        structured_arm()

    batch = bits.repeat(-(-args.dense_batch // n), 1)[: args.dense_batch].float()
    block = torch.empty((len(batch), width))
    start = time.perf_counter()
    real, imag = torch.from_numpy(complex_gaussian(N_FEATURES, 0, width, SEED))
    generate = time.perf_counter() - start
    R = torch.complex(real[: args.numpy_columns], imag[: args.numpy_columns]).T.contiguous().numpy()
    few = batch[: args.dense_batch // 4].numpy()

    def dense_arm() -> None:
        torch.addcmul((batch @ real.T).square_(), y := batch @ imag.T, y, out=block).mul_(k**-0.5)

    def numpy_arm() -> None:  # as a simulated device in NumPy has it
        np.abs(np.dot(few, R)) ** 2

    arms: dict[str, tuple[Callable[[], None], float]] = {
        "structured": (structured_arm, n),
        "dense": (dense_arm, len(batch) * width / k),
        "numpy": (numpy_arm, len(few) * R.shape[1] / k),
    }
    times: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(args.repeats):
        for name, (arm, photos) in arms.items():
            start = time.perf_counter()
            arm()
            times[name].append((time.perf_counter() - start) / photos)
    ratios = [d / s for d, s in zip(times["dense"], times["structured"], strict=True)]
    return {
        **{f"{name}_ms": 1000 * statistics.median(values) for name, values in times.items()},
        "structured_ms_best": 1000 * min(times["structured"]),
        "ratio": statistics.median(ratios),
        "generate_seconds": generate * k / width,
        "peak_mb": peak.mb,
        **errors(bits[:32], args.error_components, args.maps),
        "threads": cpu_threads(),
    }


def measure_cuda(bits: torch.Tensor, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds for 13,000 photos, all of R generated on the way, in float16 with float32 sums."""
    X = bits.repeat(-(-args.gpu_photos // len(bits)), 1)[: args.gpu_photos].cuda()
    out = torch.empty((len(X), N_COMPONENTS), dtype=torch.float16, device="cuda")
    seconds: dict[str, list[float]] = {"structured": [], "dense": [], "generate": []}
    for _ in range(args.repeats + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        structured_projection(X, N_COMPONENTS, SEED, out=out)
        torch.cuda.synchronize()
        seconds["structured"].append(time.perf_counter() - start)
        start = time.perf_counter()
        _, generate = dense_projection(X, N_COMPONENTS, SEED, out=out)
        torch.cuda.synchronize()
        seconds["dense"].append(time.perf_counter() - start)
        seconds["generate"].append(generate)
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    return {
        "structured_seconds": medians["structured"],
        "dense_seconds": medians["dense"],
        "structured_ms": 1000 * medians["structured"] / len(X),
        "dense_ms": 1000 * (medians["dense"] - medians["generate"]) / len(X),
        "generate_seconds": medians["generate"],
        "ratio": (medians["dense"] - medians["generate"]) / medians["structured"],
        "peak_mb": torch.cuda.max_memory_allocated() / 1e6,
        "gpu_photos": len(X),
        **errors(bits[:32].cuda(), args.error_components, args.maps),
    }


def table(result: dict[str, Any]) -> str:
    """One line a figure."""
    width = max(map(len, result))
    return "\n".join(
        f"{name:{width}}  {value:.4g}" if isinstance(value, float) else f"{name:{width}}  {value}"
        for name, value in result.items()
    )


def main() -> int:
    """Measure, and print the table or the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--data", type=Path, help="folder of photos whose features give the bits")
    parser.add_argument("--weights", type=Path, help="SqueezeNet 1.1, .safetensors")
    parser.add_argument("--photos", type=int, default=200, help="photos in the structured arm")
    parser.add_argument("--dense-batch", type=int, default=1000, help="photos in the dense arm")
    parser.add_argument("--columns", type=int, default=512, help="columns of R in the dense arm")
    parser.add_argument("--numpy-columns", type=int, default=128, help="columns of R in the NumPy arm")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--error-components", type=int, default=256)
    parser.add_argument("--maps", type=int, default=40, help="dense maps whose error is averaged")
    parser.add_argument("--gpu-photos", type=int, default=13_000)
    args = parser.parse_args()
    if (args.data is None) != (args.weights is None):
        parser.error("--data and --weights go together")

    if args.data is None:
        generator = torch.Generator().manual_seed(SEED)
        bits = (torch.rand((args.photos, N_FEATURES), generator=generator) < DENSITY).to(torch.uint8)
    else:
        # in a process of its own, so that the network's memory is not counted as the projection's
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            found = process.submit(photo_bits, args.weights, args.data, args.photos).result()
        bits = torch.from_numpy(found)
    measure = measure_cuda if args.device == "cuda" else measure_cpu
    result = {
        **measure(bits, args),
        "photos": len(bits),
        "density": float(bits.float().mean()),
        "source": "independent bits" if args.data is None else "SqueezeNet 1.1",
    }
    print(json.dumps(result) if args.json else table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
