"""The head: what turns features into scores and probabilities, and says why."""

from lightprobe.head.novelty import Novelty, check_rate, is_unknown
from lightprobe.head.optical_ridge import OpticalRidge
from lightprobe.head.scorer import Scorer
from lightprobe.head.shares import Shares
from lightprobe.head.state import pack_rows, unpack_rows
from lightprobe.head.sums import class_sums, over_classes, solved_again

__all__ = [
    "Novelty",
    "OpticalRidge",
    "Scorer",
    "Shares",
    "check_rate",
    "class_sums",
    "is_unknown",
    "over_classes",
    "pack_rows",
    "solved_again",
    "unpack_rows",
]
