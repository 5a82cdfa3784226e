"""What benchmarks on photos share: their arguments, and averaged features."""

import argparse

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import DEFAULT, Tap, create_backbone
from lightprobe.features import compile_for, extract
from lightprobe.images import ImageSet
from lightprobe.optics import ENCODERS
from lightprobe.runtime import Runtime


def photo_arguments(documentation: str | None) -> argparse.ArgumentParser:
    """Return a parser of DATA, --backbone, --weights and --json, described by a first line."""
    parser = argparse.ArgumentParser(description=(documentation or "").partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--backbone", default=DEFAULT)
    parser.add_argument("--weights")
    parser.add_argument("--json", action="store_true")
    return parser


def averaged_features(
    images: ImageSet, backbone: str, weights: str | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Averaged features (n, m) of a network's last layer, of length one, and labels (n,)."""
    network = create_backbone(backbone, weights=weights)
    tap = Tap(network.cut, "avg")
    runtime = Runtime(progress=True)
    compiled, _ = compile_for(images, network, [tap], runtime)
    features = extract(images, compiled, runtime)
    X = np.asarray(ENCODERS["l2"](features.matrices[tap].astype(np.float32)), dtype=np.float32)
    return X, images.labels[features.kept]
