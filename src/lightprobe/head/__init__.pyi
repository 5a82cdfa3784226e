from .attribution import Attribution
from .class_sums import finite, over_classes, solved_again, sum_classes
from .conformal import Conformal, check_coverage
from .decision import Decision, Exact, Linear, RandomFeatures, pack_rows, unpack_rows
from .fit import fit_head
from .fitted_head import FittedHead
from .novelty import Novelty, check_rate, is_unknown
from .optical_ridge import OpticalRidge
from .options import HeadOptions
from .scorer import Scored, Scorer

__all__ = [
    "Attribution",
    "Conformal",
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
    "check_coverage",
    "check_rate",
    "finite",
    "fit_head",
    "is_unknown",
    "over_classes",
    "pack_rows",
    "solved_again",
    "sum_classes",
    "unpack_rows",
]
