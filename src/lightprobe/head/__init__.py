"""The head: what turns features into scores and probabilities, and says why."""

from lightprobe.head.attribution import Attribution
from lightprobe.head.class_sums import class_sums, finite, over_classes, solved_again
from lightprobe.head.decision import Decision, Exact, Linear, RandomFeatures, pack_rows, unpack_rows
from lightprobe.head.fit import fit_head
from lightprobe.head.fitted_head import FittedHead
from lightprobe.head.novelty import Novelty, check_rate, is_unknown
from lightprobe.head.optical_ridge import OpticalRidge
from lightprobe.head.options import HeadOptions
from lightprobe.head.scorer import Scored, Scorer

__all__ = [
    "Attribution",
    "Decision",
    "Exact",
    "FittedHead",
    "HeadOptions",
    "Linear",
    "Novelty",
    "OpticalRidge",
    "RandomFeatures",
    "Scored",
    "Scorer",
    "check_rate",
    "class_sums",
    "finite",
    "fit_head",
    "is_unknown",
    "over_classes",
    "pack_rows",
    "solved_again",
    "unpack_rows",
]
