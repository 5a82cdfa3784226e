"""The engine for CPUs: OpenVINO runs a backbone's graph."""

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones.engines.precisions import available_precisions, has_int8, resolve_precision
from lightprobe.backbones.engines.protocol import Pixels, check_batch
from lightprobe.backbones.engines.quantization import calibration_digest, digest_of, from_tensors, quantize
from lightprobe.backbones.graphs import (
    GraphBackbone,
    compile_on_cpu,
    from_pixels,
    graph_file,
    keep_outputs,
    output_name,
    read_or_make,
    to_bytes,
    weight_bytes,
)
from lightprobe.backbones.taps import Pool, Tap
from lightprobe.devices import CPU
from lightprobe.errors import BackboneError, OptionError

# Photos to calibrate int8 on, or the `state` of a runner that was.
Calibration = Pixels | Mapping[str, NDArray[Any]]

_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}
_BYTES: Final = {"fp32": 4, "bf16": 2}


class OpenVinoRunner:
    """Run a backbone with OpenVINO on the CPU, any number of photos a batch; threads take turns."""

    engine = "openvino"
    device = CPU

    def __init__(
        self,
        backbone: GraphBackbone,
        taps: Iterable[Tap],
        *,
        precision: str = "auto",
        calibration: Calibration | None = None,
    ) -> None:
        self.taps = tuple(dict.fromkeys(taps))
        if not self.taps:
            raise OptionError("A runner got no taps; it needs at least one.")
        self._size = backbone.preprocessing.crop
        self.state: Mapping[str, NDArray[Any]] = {}
        if precision == "int8":
            self.precision, floats = precision, available_precisions(CPU)[0]
            self.state = _calibrated(backbone, self.taps, calibration)
            model = from_tensors(self.state, self.taps)
            self.fingerprint = f"{self.engine} int8 {CPU} {digest_of(model)}"
        else:
            self.precision = floats = resolve_precision(precision, CPU)
            model = _from_pixels(backbone, self.taps)
            self.fingerprint = f"{self.engine} {self.precision} {CPU}"
        self.weight_bytes = weight_bytes(model, _BYTES[floats])
        hint = _HINTS[floats]
        # One stream (OpenVINO's own choice): with several, some compilations of an int8 network return wrong
        # numbers (OpenVINO 2026.4, cosine 0.9 with what one stream returns), and none is faster here.
        options = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
        compiled = compile_on_cpu(model, options)
        if (got := compiled.get_property("INFERENCE_PRECISION_HINT").to_string()) != hint:
            raise BackboneError(
                f"OpenVINO would run {backbone.name} in {got} and not in {hint}: use another `precision`."
            )
        self._request = compiled.create_infer_request()
        self._turn = threading.Lock()

    def __call__(self, batch: Pixels) -> dict[Tap, NDArray[np.float32]]:
        """Run one batch of pixels, as `Runner` says."""
        check_batch(batch, self._size)
        with self._turn:
            outputs = self._request.infer([np.ascontiguousarray(batch)], share_inputs=True)
            return {tap: outputs[index] for index, tap in enumerate(self.taps)}


def _from_pixels(backbone: GraphBackbone, taps: Iterable[Tap]) -> Any:
    """Return the graph from pixels to the features of these taps."""
    taps = list(taps)
    cuts = {tap.cut: backbone.find_cut(tap.cut) for tap in taps}
    return from_pixels(backbone.graph(list(cuts)), taps, cuts, backbone.preprocessing)


def _calibrated(
    backbone: GraphBackbone, taps: Iterable[Tap], calibration: Calibration | None
) -> Mapping[str, NDArray[Any]]:
    """Read or make the quantised graph of the layers tapped, as bytes, or take what was."""
    if not has_int8(CPU):
        raise OptionError(
            f"Precision 'int8' is unavailable on this {CPU}, "
            f"whose arithmetic is {', '.join(available_precisions(CPU))}."
        )
    if isinstance(calibration, Mapping):
        return calibration
    if calibration is None or not len(calibration):
        raise OptionError("Precision int8 got no photos to be calibrated on; it needs a few hundred.")
    check_batch(calibration, backbone.preprocessing.crop)
    taps = list(taps)
    cuts = sorted({tap.cut for tap in taps})
    every = [Tap(cut, pool) for cut in cuts for pool in get_args(Pool)]
    attention = any(backbone.find_cut(cut).layout != "nchw" for cut in cuts)
    described = {
        "network": backbone.digest,
        "preprocessing": backbone.preprocessing.to_config(),
        "cuts": cuts,
        "calibration": calibration_digest(calibration),
    }
    whole = read_or_make(
        graph_file(described, "nncf"),
        lambda: to_bytes(quantize(_from_pixels(backbone, every), calibration, attention=attention)),
    )
    return to_bytes(keep_outputs(from_tensors(whole, every), [output_name(tap) for tap in taps]))
