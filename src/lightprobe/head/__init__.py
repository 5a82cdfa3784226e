"""The head: what turns features into scores and probabilities."""

from lightprobe.head.optical_ridge import OpticalRidge
from lightprobe.head.state import pack_rows, unpack_rows

__all__ = ["OpticalRidge", "pack_rows", "unpack_rows"]
