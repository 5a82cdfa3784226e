"""What everything in an exported file is called."""

from pathlib import Path
from typing import Any, Final

INPUT: Final = "pixels"
OUTPUT: Final = "probabilities"
KEY: Final = "lightprobe"  # of what is known of the file: JSON, metadata or runtime information
FORMAT: Final = "lightprobe-export"
# By which an exported file's format is told.
SUFFIXES: Final = {"onnx": ".onnx", "openvino": ".xml"}

Info = dict[str, Any]


def format_of(path: Path) -> str | None:
    """Name the format of an exported file by its suffix; None if it is none of them."""
    return next((name for name, suffix in SUFFIXES.items() if suffix == path.suffix.lower()), None)
