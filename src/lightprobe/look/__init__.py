"""Look inside: what a network sees in a photo, and where its evidence lies; photos of a data set."""

from lightprobe.look.data import draw_data
from lightprobe.look.model import draw_model

__all__ = ["draw_data", "draw_model"]
