"""Engines run a backbone at a precision on a device; `create_runner` picks one by name."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.devices import resolve_device
from lightprobe.backbones.engines.eager import EagerRunner
from lightprobe.backbones.engines.openvino import Calibration, OpenVinoRunner, is_converted
from lightprobe.backbones.engines.protocol import Runner
from lightprobe.backbones.taps import Tap
from lightprobe.errors import BackboneError, OptionError

logger = logging.getLogger(__name__)

_ENGINES: Final[Mapping[str, Callable[..., Runner]]] = {"eager": EagerRunner, "openvino": OpenVinoRunner}
ENGINES: Final = ("auto", *_ENGINES)

# Photos from which on converting for OpenVINO costs less than it saves.
BREAK_EVEN: Final = 300


def create_runner(
    backbone: Backbone,
    taps: Iterable[Tap],
    *,
    engine: str = "auto",
    precision: str = "auto",
    device: str = "auto",
    n_images: int | None = None,
    calibration: Calibration | None = None,
) -> Runner:
    """Compile a backbone once, to run batches through it.

    Parameters
    ----------
    backbone : Backbone
    taps : iterable of Tap
        What to return, all from one pass.
    engine : {"auto", "eager", "openvino"}
        `eager` is torch, on any device; `openvino` is for the CPU: some times as fast, but a network must
        be converted first, once on a machine. `auto` is `openvino` on the CPU where the network is
        converted already or `n_images` makes it worth while, else `eager`.
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}
        What the device must have arithmetic for; `auto` is its fastest floating point. `int8`, only of
        OpenVINO, is calibrated on photos of the task.
    device : str
        `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
    n_images : int or None
        How many photos are to be looked at; None for few.
    calibration : Tensor of uint8, shape (n, 3, s, s), or mapping of str to Tensor
        For int8: some `CALIBRATION_PHOTOS` prepared photos, or the `state` of a runner that was calibrated.

    Raises
    ------
    OptionError
        An unknown engine, device or precision, one that this machine does not have, or int8 without photos.
    MissingExtraError
        int8 without the package that calibrates it.
    """
    if engine not in ENGINES:
        raise OptionError(f"Unknown engine {engine!r}; allowed are {', '.join(ENGINES)}.")
    taps = tuple(taps)
    where = resolve_device("cpu" if engine == "openvino" and device == "auto" else device)
    if precision == "int8":
        if where.type != "cpu" or engine == "eager":
            raise OptionError(
                f"There is no int8 path on {where} with torch, only on the CPU with OpenVINO: use "
                "--device cpu --engine openvino, or another --precision."
            )
        return OpenVinoRunner(backbone, taps, precision=precision, device="cpu", calibration=calibration)
    if engine != "auto":
        return _ENGINES[engine](backbone, taps, precision=precision, device=device)
    if where.type == "cpu" and ((n_images or 0) >= BREAK_EVEN or is_converted(backbone, taps)):
        try:
            return OpenVinoRunner(backbone, taps, precision=precision, device="cpu")
        except BackboneError as error:
            logger.warning("%s Torch runs it instead, more slowly.", error)
    return EagerRunner(backbone, taps, precision=precision, device=device)
