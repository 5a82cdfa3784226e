from .data import draw_data
from .heat_maps import heat_maps
from .model import draw_model

__all__ = [
    "draw_data",
    "draw_model",
    "heat_maps",
]
