"""A backbone and what runs it: compiled for a set of photos, calibrated on some, held to fp32 on others."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from lightprobe.backbones import (
    CALIBRATION_PHOTOS,
    Backbone,
    GraphBackbone,
    Runner,
    Tap,
    agreement,
    create_runner,
)
from lightprobe.features.sample import sample_pixels
from lightprobe.images import ImageSet
from lightprobe.runtime import Runtime

logger = logging.getLogger(__name__)

AGREEMENT_PHOTOS = 32
# R² with fp32 below which `auto` leaves a faster precision.
AGREES = 0.95


@dataclass(frozen=True)
class BackboneRunner:
    """A backbone, compiled for the taps that are wanted of it."""

    backbone: Backbone
    runner: Runner


def compile_each(
    images: ImageSet, backbones: Sequence[Backbone], taps: Sequence[Sequence[Tap]], runtime: Runtime
) -> list[tuple[BackboneRunner, float]]:
    """Compile several backbones as `compile_for` does, each for its own taps.

    Those that are one network looking at photos in different ways share what is compiled for the same taps.
    """
    compiled: list[tuple[BackboneRunner, float]] = []
    for backbone, wanted in zip(backbones, taps, strict=True):
        for known, agreed in compiled:
            if known.runner.taps == tuple(wanted) and known.backbone.is_same_network(backbone):
                compiled.append((BackboneRunner(backbone, known.runner), agreed))
                break
        else:
            compiled.append(compile_for(images, backbone, wanted, runtime))
    return compiled


def compile_for(
    images: ImageSet, backbone: Backbone, taps: Sequence[Tap], runtime: Runtime
) -> tuple[BackboneRunner, float]:
    """Compile a backbone to look at these photos.

    Parameters
    ----------
    images : ImageSet
        The photos; int8 is calibrated on some of them, and agreement measured on some.
    backbone, taps
        As for `create_runner`.
    runtime : Runtime
        Its precision "auto" is the fastest whose features agree with fp32.

    Returns
    -------
    compiled : BackboneRunner
    agreement : float
        R² of its features, those of the same network in fp32 being the truth; NaN without two photos.
    """
    precision, seed = runtime.precision, runtime.seed
    images = images.limited(runtime.max_megapixels)
    make = partial(
        create_runner, backbone, taps, engine=runtime.engine, device=runtime.device, n_images=len(images)
    )
    calibration = None
    if precision == "int8":
        calibration = sample_pixels(images, backbone.preprocessing, CALIBRATION_PHOTOS, seed)
    runner = make(precision=precision, calibration=calibration)
    if runner.precision == "fp32" and (runner.engine == "eager" or isinstance(backbone, GraphBackbone)):
        return BackboneRunner(backbone, runner), 1.0
    sample = sample_pixels(images, backbone.preprocessing, AGREEMENT_PHOTOS, seed)
    agrees = agreement(runner, backbone, sample)
    if precision == "auto" and agrees < AGREES and runner.precision != "fp32":
        logger.warning(
            "%s in %s agrees with fp32 by an R² of %.3f only: fp32 is used instead "
            "(`precision='%s'` insists).",
            backbone.name,
            runner.precision,
            agrees,
            runner.precision,
        )
        runner = make(precision="fp32")
        agrees = agreement(runner, backbone, sample)
    return BackboneRunner(backbone, runner), agrees
