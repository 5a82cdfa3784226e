"""Precisions beside fp32 on the same photos: agreement, leave-one-out accuracy, speed of the network.

    python benchmarks/precisions.py DATA [--backbone NAME] [--weights FILE] [--photos 2500] [--json]

Averaged features of length one, exact optical kernel, alpha by leave-one-out for each precision. Printed are,
for each precision that this processor has: R² with fp32 on 32 photos (what `auto` goes by), leave-one-out
accuracy, how far it is above fp32's with its paired standard error, and the median over batches of fp32's
time over its own. The precisions take turns at each batch, so that whatever else the machine does meets all.
"""

import json
import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from common import photo_arguments
from lightprobe.backbones import (
    CALIBRATION_PHOTOS,
    Runner,
    Tap,
    agreement,
    create_backbone,
    create_runner,
    has_int8,
    resolve_precision,
)
from lightprobe.devices import CPU
from lightprobe.features import sample_pixels
from lightprobe.head import OpticalRidge
from lightprobe.images import open_images
from lightprobe.optics import ENCODERS

BATCH: Final = 32
AGREEMENT_PHOTOS: Final = 32


def in_turn(
    runners: dict[str, Runner], tap: Tap, pixels: NDArray[np.uint8]
) -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """Return features (n, m) by each runner, and the median of fp32's seconds a batch over its own."""
    features: dict[str, list[NDArray[np.float32]]] = {name: [] for name in runners}
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for start in range(0, len(pixels), BATCH):
        for name, runner in runners.items():
            began = time.perf_counter()
            features[name].append(runner(pixels[start : start + BATCH])[tap].copy())
            seconds[name].append(time.perf_counter() - began)
    ratios = {
        name: float(np.median(np.divide(seconds["fp32"], own)[1:] if len(own) > 1 else [1.0]))
        for name, own in seconds.items()
    }
    return {name: np.concatenate(parts) for name, parts in features.items()}, ratios


def main() -> None:
    """Run from the command line."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--photos", type=int, default=2500)
    options = parser.parse_args()
    images = open_images(options.data)
    rng = np.random.default_rng(0)
    images = images.select(np.sort(rng.permutation(len(images))[: options.photos]))
    network = create_backbone(options.backbone, weights=options.weights)
    tap = Tap(network.cut, "avg")
    pixels = sample_pixels(images, network.preprocessing, len(images))
    order = np.random.default_rng(0).permutation(len(images))  # of sample_pixels
    if len(pixels) < len(images):
        parser.error(f"{len(images) - len(pixels)} photos of {options.data} cannot be decoded: take them out")
    labels = images.labels[order]
    fastest = resolve_precision("auto", CPU)
    names = ["fp32", *([fastest] if fastest != "fp32" else []), *(["int8"] if has_int8(CPU) else [])]
    runners = {
        name: create_runner(
            network, [tap], engine="openvino", precision=name, calibration=pixels[:CALIBRATION_PHOTOS]
        )
        for name in names
    }
    features, speed = in_turn(runners, tap, pixels)
    right, rows = {}, list[dict[str, Any]]()
    for name in names:
        X = np.asarray(ENCODERS["l2"](features[name]), np.float32)
        head = OpticalRidge().fit(X, labels)
        scores = head.loo_scores_
        said = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
        right[name] = head.classes_[said] == labels
    for name in names:
        gain = right[name].astype(float) - right["fp32"]
        rows.append(
            {
                "precision": name,
                "r2": agreement(runners[name], network, pixels[:AGREEMENT_PHOTOS]),
                "loo_accuracy": float(right[name].mean()),
                "gain": float(gain.mean()),
                "standard_error": float(gain.std(ddof=1) / np.sqrt(len(gain))),
                "speed": speed[name],
            }
        )
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(
            f"{row['precision']:5} R² {row['r2']:.4f}  left out {row['loo_accuracy']:.2%}  "
            f"{100 * row['gain']:+.2f} ± {100 * row['standard_error']:.2f}  {row['speed']:.2f} x"
        )


if __name__ == "__main__":
    main()
