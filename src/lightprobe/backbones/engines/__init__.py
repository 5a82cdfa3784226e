"""Engines run a backbone at a precision on a device; `create_runner` picks one by name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.eager import EagerRunner
from lightprobe.backbones.engines.protocol import Runner
from lightprobe.backbones.taps import Tap
from lightprobe.errors import OptionError

_ENGINES: Final[Mapping[str, Callable[..., Runner]]] = {"eager": EagerRunner}
ENGINES: Final = ("auto", *_ENGINES)


def create_runner(
    backbone: Backbone,
    taps: Iterable[Tap],
    *,
    engine: str = "auto",
    precision: str = "auto",
    device: str = "auto",
) -> Runner:
    """Compile a backbone once, to run batches through it.

    Raises
    ------
    OptionError
        An unknown engine, device or precision, or one that this machine does not have.
    """
    if engine not in ENGINES:
        raise OptionError(f"Unknown engine {engine!r}; allowed are {', '.join(ENGINES)}.")
    make = _ENGINES["eager" if engine == "auto" else engine]
    return make(backbone, taps, precision=precision, device=device)
