from .eager import agreement
from .factory import BREAK_EVEN, ENGINES, create_runner
from .quantization import CALIBRATION_PHOTOS

__all__ = [
    "BREAK_EVEN",
    "CALIBRATION_PHOTOS",
    "ENGINES",
    "agreement",
    "create_runner",
]
