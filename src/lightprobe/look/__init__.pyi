from .data import draw_data
from .model import draw_model

__all__ = ["draw_data", "draw_model"]
