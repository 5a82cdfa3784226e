"""The engine for CPUs: OpenVINO, several times as fast as torch there, after a conversion that is kept."""

import threading
from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines.conversion import import_openvino, load_model, weight_bytes
from lightprobe.backbones.engines.devices import resolve_device, resolve_precision
from lightprobe.backbones.engines.protocol import check_batch
from lightprobe.backbones.taps import Tap
from lightprobe.errors import BackboneError, OptionError

_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}
_BYTES: Final = {"fp32": 4, "bf16": 2}


class OpenVinoRunner:
    """Run a backbone with OpenVINO on the CPU, any number of photos a batch; threads take turns."""

    engine = "openvino"

    def __init__(
        self, backbone: Backbone, taps: Iterable[Tap], *, precision: str = "auto", device: str = "auto"
    ) -> None:
        self.device = resolve_device("cpu" if device == "auto" else device)
        if self.device.type != "cpu":
            raise OptionError(
                f"The openvino engine runs on the CPU and not on {device}: use --engine eager there."
            )
        self.precision = resolve_precision(precision, self.device)
        self.taps = tuple(dict.fromkeys(taps))
        if not self.taps:
            raise OptionError("A runner got no taps; it needs at least one.")
        for tap in self.taps:
            backbone.find_cut(tap.cut)
        self._size = backbone.preprocessing.crop
        model = load_model(backbone, self.taps)
        self.weight_bytes = weight_bytes(model, _BYTES[self.precision])
        hint = _HINTS[self.precision]
        compiled = (
            import_openvino()
            .Core()
            .compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint, "ENABLE_CPU_PINNING": False})
        )
        if (got := compiled.get_property("INFERENCE_PRECISION_HINT").to_string()) != hint:
            raise BackboneError(
                f"OpenVINO would run {backbone.name} in {got} and not in {hint}: use --engine eager."
            )
        self._request = compiled.create_infer_request()
        self._turn = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """As `Runner` says."""
        return f"{self.engine} {self.precision} {self.device.type}"

    def __call__(self, batch: Tensor) -> dict[Tap, Tensor]:
        """Run one batch of pixels, as `Runner` says."""
        check_batch(batch, self._size)
        with self._turn:
            outputs = self._request.infer([batch.contiguous().numpy()], share_inputs=True)
            return {tap: torch.from_numpy(outputs[index]) for index, tap in enumerate(self.taps)}
