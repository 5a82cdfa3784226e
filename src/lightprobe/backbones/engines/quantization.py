"""Eight bits: post-training quantisation, calibrated on photos of the task at hand.

Weights become int8, a scale for each output channel; activations uint8, a scale and zero point for each
tensor, found from their ranges on the calibration photos; biases are corrected for the mean error
(Nagel et al. 2019, arXiv 1906.04721). Where operations stay in floating point, the CPU's fastest is used.
"""

import contextlib
import hashlib
import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones.graphs import (
    from_bytes,
    import_without_telemetry,
    keep_outputs,
    output_name,
    same_signal_stack,
)
from lightprobe.backbones.taps import Tap
from lightprobe.errors import BackboneError, MissingExtraError, WeightsError, one_line

logger = logging.getLogger(__name__)

# More than these change the ranges little (NNCF's own default is 300), and each costs a pass in fp32.
CALIBRATION_PHOTOS: Final = 300
_DIGEST: Final = ["lightprobe", "calibration"]


def calibration_digest(pixels: NDArray[np.uint8]) -> str:
    """Digest of calibration photos, uint8 (n, s, s, 3)."""
    digest = hashlib.blake2b(f"{tuple(pixels.shape)}".encode(), digest_size=20)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def digest_of(model: Any) -> str:
    """Digest of the photos that a quantised model was calibrated on."""
    return str(model.get_rt_info(_DIGEST).astype(str))


def quantize(model: Any, pixels: NDArray[np.uint8], *, attention: bool) -> Any:
    """Quantise a converted model.

    Parameters
    ----------
    model : openvino.Model
    pixels : ndarray of uint8, shape (n, s, s, 3)
    attention : bool
        Whether it is a transformer, which needs its softmaxes and normalisations left alone.

    Raises
    ------
    MissingExtraError
        NNCF is not installed.
    BackboneError
        NNCF cannot quantise the network.
    """
    logger.info("Calibrating int8 on %d photos.", len(pixels))
    with contextlib.redirect_stdout(sys.stderr):  # NNCF draws progress bars on stdout
        try:
            nncf: Any = import_without_telemetry("nncf")
        except ImportError as error:
            raise MissingExtraError("nncf", "int8", "Precision int8") from error
        logging.getLogger("nncf").setLevel(logging.ERROR)
        photos = [photo[None] for photo in pixels]
        try:
            with same_signal_stack():
                quantized = nncf.quantize(
                    model,
                    nncf.Dataset(photos),
                    subset_size=len(photos),
                    preset=nncf.QuantizationPreset.MIXED,
                    model_type=nncf.ModelType.TRANSFORMER if attention else None,
                )
        except Exception as error:  # NNCF raises whatever it likes
            raise BackboneError(
                f"The network cannot be quantised ({one_line(error)}): use another `precision`."
            ) from error
    quantized.set_rt_info(calibration_digest(pixels), _DIGEST)
    return quantized


def from_tensors(tensors: Mapping[str, NDArray[Any]], taps: Iterable[Tap]) -> Any:
    """Rebuild a quantised graph from its bytes; WeightsError if it is none or has not these taps."""
    try:
        model = from_bytes(tensors)
        digest_of(model)
        return keep_outputs(model, [output_name(tap) for tap in taps])
    except (KeyError, RuntimeError) as error:
        raise WeightsError(
            f"The saved int8 network is damaged ({one_line(error)}): train the model again."
        ) from error
