from .factory import BREAK_EVEN, ENGINES, agreement, create_runner, needs_torch
from .precisions import has_int8, resolve_precision
from .protocol import Runner
from .quantization import CALIBRATION_PHOTOS, from_tensors

__all__ = [
    "BREAK_EVEN",
    "CALIBRATION_PHOTOS",
    "ENGINES",
    "Runner",
    "agreement",
    "create_runner",
    "from_tensors",
    "has_int8",
    "needs_torch",
    "resolve_precision",
]
