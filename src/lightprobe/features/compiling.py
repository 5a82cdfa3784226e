"""A backbone compiled for a set of photos: calibrated on some, and held to what fp32 sees in others."""

import logging
from collections.abc import Sequence
from functools import partial

from lightprobe.backbones import Backbone, Runner, Tap, create_runner
from lightprobe.backbones.engines import CALIBRATION_PHOTOS, agreement
from lightprobe.features.sample import sample_pixels
from lightprobe.images import ImageSet

logger = logging.getLogger(__name__)

AGREEMENT_PHOTOS = 32
# Mean cosine with fp32 below which `auto` leaves a faster precision.
AGREES = 0.999


def compile_for(
    images: ImageSet,
    backbone: Backbone,
    taps: Sequence[Tap],
    *,
    engine: str = "auto",
    precision: str = "auto",
    device: str = "auto",
    random_state: int = 0,
) -> tuple[Runner, float]:
    """Compile a backbone to look at these photos.

    Parameters
    ----------
    images : ImageSet
        The photos; int8 is calibrated on some of them, and agreement measured on some.
    backbone, taps, engine, device
        As for `create_runner`.
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}
        `auto` is the fastest whose features agree with fp32.
    random_state : int
        Seed of the samples.

    Returns
    -------
    runner : Runner
    agreement : float
        Mean cosine between its features and those of torch in fp32.
    """
    make = partial(create_runner, backbone, taps, engine=engine, device=device, n_images=len(images))
    calibration = None
    if precision == "int8":
        calibration = sample_pixels(images, backbone.preprocessing, CALIBRATION_PHOTOS, random_state)
    runner = make(precision=precision, calibration=calibration)
    if (runner.engine, runner.precision) == ("eager", "fp32"):
        return runner, 1.0
    sample = sample_pixels(images, backbone.preprocessing, AGREEMENT_PHOTOS, random_state)
    if not len(sample):
        return runner, float("nan")
    cosine = agreement(runner, backbone, sample)
    if precision == "auto" and cosine < AGREES and runner.precision != "fp32":
        logger.warning(
            "%s in %s agrees with fp32 by a cosine of %.4f only: fp32 is used instead "
            "(--precision %s insists).",
            backbone.name,
            runner.precision,
            cosine,
            runner.precision,
        )
        runner = make(precision="fp32")
        cosine = agreement(runner, backbone, sample)
    return runner, cosine
