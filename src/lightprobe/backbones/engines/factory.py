"""Engines run a backbone at a precision on a device; `create_runner` picks one by name."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.openvino import Calibration, OpenVinoRunner
from lightprobe.backbones.engines.protocol import Pixels, Runner
from lightprobe.backbones.graphs import GraphBackbone, graph_file, keep_graph, read_graph
from lightprobe.backbones.taps import Tap
from lightprobe.devices import CPU, resolve_device
from lightprobe.errors import BackboneError, OptionError

if TYPE_CHECKING:
    from lightprobe.backbones.torch_networks import TorchBackbone

logger = logging.getLogger(__name__)

ENGINES: Final = ("auto", "eager", "openvino")

# Photos from which on converting one of torch's networks for OpenVINO costs less than it saves.
BREAK_EVEN: Final = 300


def needs_torch(engine: str, device: str, precision: str = "auto") -> bool:
    """Whether an engine and a device, either of which may be "auto", mean that torch runs networks.

    Raises
    ------
    OptionError
        An unknown engine or device, or one that this machine does not have.
    """
    if engine not in ENGINES:
        raise OptionError(f"Unknown engine {engine!r}; allowed are {', '.join(ENGINES)}.")
    where = resolve_device(
        CPU if device == "auto" and (engine == "openvino" or precision == "int8") else device
    )
    if engine == "openvino" and where != CPU:
        raise OptionError(
            f"The openvino engine runs on the CPU and not on {device}: use `engine='eager'` there."
        )
    if precision == "int8" and (where != CPU or engine == "eager"):
        raise OptionError(
            f"There is no int8 path on {where} with torch, only on the CPU with OpenVINO: use "
            "`device='cpu'` and `engine='openvino'`, or another `precision`."
        )
    return engine == "eager" or where != CPU


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
        `openvino` runs graphs on the CPU, and some times as fast as torch; `eager` is torch, on any device,
        for networks of torch's. `auto` is `openvino` on the CPU, but for networks of torch's only if
        `n_images` makes it worth while to convert them.
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}
        What the device must have arithmetic for; `auto` is its fastest floating point. `int8`, only of
        OpenVINO, is calibrated on photos of the task.
    device : str
        `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
    n_images : int or None
        How many photos are to be looked at; None for few.
    calibration : ndarray of uint8, shape (n, s, s, 3), or mapping of str to ndarray
        For int8: some `CALIBRATION_PHOTOS` prepared photos, or the `state` of a runner that was calibrated.

    Raises
    ------
    OptionError
        An unknown engine, device or precision, one that this machine does not have, or int8 without photos.
    MissingExtraError
        int8 without the package that calibrates it.
    """
    taps = tuple(taps)
    if isinstance(backbone, GraphBackbone):
        if not needs_torch(engine, CPU if device == "auto" else device, precision):
            return OpenVinoRunner(backbone, taps, precision=precision, calibration=calibration)
        raise OptionError(
            f"{backbone.name} is a graph here, which only OpenVINO runs, on the CPU: leave `engine` and "
            f"`device` out, or train a model with `engine='eager'` or `device='{device}'`."
        )
    # Whoever has a network of torch's has imported torch.
    from lightprobe.backbones.engines.eager import EagerRunner
    from lightprobe.backbones.torch_networks import TorchBackbone

    assert isinstance(backbone, TorchBackbone)
    may_stay = engine == "auto" and precision != "int8"
    few = may_stay and (n_images or 0) < BREAK_EVEN
    if not (needs_torch(engine, device, precision) or few):
        graph = _converted_or_not(backbone) if may_stay else _converted(backbone)
        if graph is not None:
            return OpenVinoRunner(graph, taps, precision=precision, calibration=calibration)
    return EagerRunner(backbone, taps, precision=precision, device=device)


def _converted(backbone: "TorchBackbone") -> GraphBackbone:
    """Convert one of torch's networks, once."""
    kept = graph_file({"network": backbone.digest, "cut": backbone.cut}, "torch")
    found = read_graph(kept)
    if found is not None:
        return GraphBackbone.from_config(found[1], found[0])
    graph = backbone.as_graph()
    keep_graph(kept, graph.to_tensors(), graph.to_config())
    return graph


def _converted_or_not(backbone: "TorchBackbone") -> GraphBackbone | None:
    """Convert one of torch's networks, once; None, and a warning, where that cannot be done."""
    try:
        return _converted(backbone)
    except BackboneError as error:
        if backbone.refused is None:  # else whoever made it has said so
            logger.warning("%s Torch runs it instead, more slowly.", error)
        return None


def agreement(runner: Runner, backbone: Backbone, pixels: Pixels, *, batch_size: int = 32) -> float:
    """Measure how much of what tells photos apart a runner keeps of the same network in fp32.

    The coefficient of determination R² = 1 − Σ|x̂ − x|² / Σ|x − x̄|² over photos, x in fp32 and x̄ its mean;
    of several taps the lowest counts. A cosine would count what all photos have in common, too.

    Parameters
    ----------
    runner : Runner
    backbone : Backbone
        The one that the runner runs.
    pixels : ndarray of uint8, shape (n, s, s, 3)
        A sample of prepared photos; some thirty tell the precisions apart.
    batch_size : int
        Photos a batch.

    Returns
    -------
    float
        At most 1; NaN for fewer than two photos.
    """
    engine = "openvino" if isinstance(backbone, GraphBackbone) else "eager"
    if (runner.engine, runner.precision) == (engine, "fp32"):
        return 1.0
    if len(pixels) < 2:
        return float("nan")
    truth = create_runner(backbone, runner.taps, engine=engine, precision="fp32", device=runner.device)
    ours, theirs = _features(runner, pixels, batch_size), _features(truth, pixels, batch_size)
    return min(_determination(ours[tap], theirs[tap]) for tap in runner.taps)


def _features(runner: Runner, pixels: Pixels, batch_size: int) -> dict[Tap, NDArray[np.float32]]:
    parts = [runner(pixels[start : start + batch_size]) for start in range(0, len(pixels), batch_size)]
    return {tap: np.concatenate([part[tap] for part in parts]) for tap in runner.taps}


def _determination(X: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    spread = np.square(truth - truth.mean(axis=0, dtype=np.float64)).sum()
    error = np.square(X.astype(np.float64) - truth).sum()
    return float(1 - error / max(spread, np.finfo(np.float64).tiny))
