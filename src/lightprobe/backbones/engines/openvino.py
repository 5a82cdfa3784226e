"""The engine for CPUs: OpenVINO, several times as fast as torch there, after a conversion that is kept."""

import threading
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.conversion import compile_on_cpu, convert, keep_outputs, weight_bytes
from lightprobe.backbones.engines.devices import (
    available_precisions,
    has_int8,
    resolve_device,
    resolve_precision,
)
from lightprobe.backbones.engines.model_cache import is_kept, model_folder, read_or_make
from lightprobe.backbones.engines.protocol import check_batch
from lightprobe.backbones.engines.quantization import (
    calibration_digest,
    digest_of,
    from_tensors,
    quantize,
    to_tensors,
)
from lightprobe.backbones.taps import Tap
from lightprobe.errors import BackboneError, OptionError

# Photos to calibrate int8 on, or the `state` of a runner that was.
Calibration = Tensor | Mapping[str, Tensor]

_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}
_BYTES: Final = {"fp32": 4, "bf16": 2}


class OpenVinoRunner:
    """Run a backbone with OpenVINO on the CPU, any number of photos a batch; threads take turns."""

    engine = "openvino"

    def __init__(
        self,
        backbone: Backbone,
        taps: Iterable[Tap],
        *,
        precision: str = "auto",
        device: str = "auto",
        calibration: Calibration | None = None,
    ) -> None:
        self.device = resolve_device("cpu" if device == "auto" else device)
        if self.device.type != "cpu":
            raise OptionError(
                f"The openvino engine runs on the CPU and not on {device}: use --engine eager there."
            )
        self.taps = tuple(dict.fromkeys(taps))
        if not self.taps:
            raise OptionError("A runner got no taps; it needs at least one.")
        self._size = backbone.preprocessing.crop
        self.state: Mapping[str, Tensor] = {}
        if precision == "int8":
            self.precision, floats = precision, available_precisions(self.device)[0]
            model = keep_outputs(_calibrated(backbone, self.taps, self.device, calibration), self.taps)
            self.state = to_tensors(model)
            self.fingerprint = f"{self.engine} int8 {self.device.type} {digest_of(model)}"
        else:
            self.precision = floats = resolve_precision(precision, self.device)
            model = keep_outputs(_converted(backbone, self.taps), self.taps)
            self.fingerprint = f"{self.engine} {self.precision} {self.device.type}"
        self.weight_bytes = weight_bytes(model, _BYTES[floats])
        hint = _HINTS[floats]
        # One stream (OpenVINO's own choice): with several, some compilations of an int8 network return wrong
        # numbers (OpenVINO 2026.4, cosine 0.9 with what one stream returns), and none is faster here.
        options = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
        compiled = compile_on_cpu(model, options)
        if (got := compiled.get_property("INFERENCE_PRECISION_HINT").to_string()) != hint:
            raise BackboneError(
                f"OpenVINO would run {backbone.name} in {got} and not in {hint}: use --engine eager."
            )
        self._request = compiled.create_infer_request()
        self._turn = threading.Lock()

    def __call__(self, batch: Tensor) -> dict[Tap, Tensor]:
        """Run one batch of pixels, as `Runner` says."""
        check_batch(batch, self._size)
        with self._turn:
            outputs = self._request.infer([batch.contiguous().numpy()], share_inputs=True)
            return {tap: torch.from_numpy(outputs[index]) for index, tap in enumerate(self.taps)}


def is_converted(backbone: Backbone, taps: Iterable[Tap]) -> bool:
    """Whether a runner for these taps need not wait for a conversion."""
    return is_kept(model_folder(backbone, _cuts(taps)))


def _cuts(taps: Iterable[Tap]) -> list[str]:
    return sorted({tap.cut for tap in taps})


def _converted(backbone: Backbone, taps: Iterable[Tap]) -> Any:
    """Read or make the converted model of the layers tapped."""
    cuts = _cuts(taps)
    for cut in cuts:
        backbone.find_cut(cut)
    return read_or_make(model_folder(backbone, cuts), partial(convert, backbone, cuts))


def _calibrated(
    backbone: Backbone, taps: Iterable[Tap], device: torch.device, calibration: Calibration | None
) -> Any:
    """Read, make or rebuild the quantised model of the layers tapped."""
    if not has_int8(device):
        raise OptionError(
            f"Precision 'int8' is unavailable on this {device}, "
            f"whose arithmetic is {', '.join(available_precisions(device))}."
        )
    if isinstance(calibration, Mapping):
        return from_tensors(calibration, taps)
    if calibration is None or not len(calibration):
        raise OptionError("Precision int8 got no photos to be calibrated on; it needs a few hundred.")
    check_batch(calibration, backbone.preprocessing.crop)
    cuts = _cuts(taps)
    attention = any(backbone.find_cut(cut).layout != "nchw" for cut in cuts)
    folder = model_folder(backbone, cuts, calibration_digest(calibration))
    return read_or_make(
        folder, lambda: quantize(_converted(backbone, taps), calibration, attention=attention)
    )
