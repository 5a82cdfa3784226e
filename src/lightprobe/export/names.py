"""What everything in an exported file is called."""

from typing import Any, Final

INPUT: Final = "pixels"
OUTPUT: Final = "probabilities"
KEY: Final = "lightprobe"  # of what is known of the file: JSON, metadata or runtime information
FORMAT: Final = "lightprobe-export"

Info = dict[str, Any]
