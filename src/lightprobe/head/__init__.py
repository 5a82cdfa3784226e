"""The head: what turns features into scores and probabilities, and says why."""

from lightprobe.head.novelty import Novelty, check_rate
from lightprobe.head.optical_ridge import OpticalRidge
from lightprobe.head.shares import Shares
from lightprobe.head.state import pack_rows, unpack_rows

__all__ = ["Novelty", "OpticalRidge", "Shares", "check_rate", "pack_rows", "unpack_rows"]
