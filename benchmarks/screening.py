"""Fit candidates that are left out early to all photos nevertheless: how near the best do they come.

    python benchmarks/screening.py DATA [--backbone NAME] [--weights FILE] [--image-size N] [--limit N]

`lightprobe train` compares candidates on a quarter of the photos before it fits any to all. Here all stages
of a network (averaged, the last one flattened, too), encodings and kernels are compared on that quarter, and
then, unscreened, on all photos. `nearest` is the least that a left-out candidate is behind the best on all
photos, in standard errors of the difference; `lost` whether the best itself would have been left out.
"""

import json
from unittest.mock import patch

import numpy as np

from common import photo_arguments
from lightprobe.backbones import Tap, create_backbone
from lightprobe.features import TapSet, compile_for, extract
from lightprobe.head import HeadOptions
from lightprobe.images import open_images
from lightprobe.runtime import Runtime
from lightprobe.selection import Photos, choices, search, select, stage_cuts
from lightprobe.selection.screening import screen


def main() -> None:
    """Screen, compare all nevertheless, print."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--limit", type=int, help="photos drawn at random, of more")
    args = parser.parse_args()
    images = open_images(args.data).training
    if args.limit:
        images = images.select(np.sort(np.random.default_rng(0).permutation(len(images))[: args.limit]))
    network = create_backbone(args.backbone, weights=args.weights, image_size=args.image_size)
    taps = [*(Tap(cut, "avg") for cut in stage_cuts(network)), Tap(network.cut, "flatten")]
    runtime = Runtime(progress=True)
    compiled, _ = compile_for(images, network, taps, runtime)
    features = extract(images, compiled, runtime)
    matrices = {TapSet.of(tap): matrix for tap, matrix in features.matrices.items()}
    y, wanted = images.labels[features.kept], choices(map(TapSet.of, taps), "auto", "auto")
    spent = dict.fromkeys(("generate", "encode", "project", "fit"), 0.0)
    _, behind = screen(
        matrices,
        y,
        wanted,
        HeadOptions(),
        groups=None,
        never_screened=(),
        seconds=spent,
        progress=not args.json,
    )
    with patch.object(search, "screen", lambda _features, _labels, choices, *_, **__: (choices, [])):
        everything = select(matrices, y, wanted, HeadOptions(), progress=not args.json).candidates
    scored = {c.choice: c for c in everything if not c.dropped}
    photos = Photos.of(np.ones(len(y)), None)
    best = max(scored.values(), key=photos.accuracy)
    left_out = [scored[c.choice] for c in behind if c.choice in scored]
    distances = [lost / max(error, 1e-12) for lost, error in (photos.behind(c, best) for c in left_out)]
    summary = {
        "photos": len(y),
        "candidates": len(scored),
        "left_out": len(left_out),
        "nearest": min(distances, default=None),
        "lost": best in left_out,
    }
    if args.json:
        print(json.dumps(summary))
        return
    for key, value in summary.items():
        print(f"{key:12} {value:.1f}" if isinstance(value, float) else f"{key:12} {value}")


if __name__ == "__main__":
    main()
