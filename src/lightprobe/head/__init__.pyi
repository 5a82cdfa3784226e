from .attribution import Attribution
from .class_sums import Finite, finite, over_classes, require_room, solved_again, sum_classes, unfitted
from .conformal import Conformal, check_coverage
from .decision import Decision, Exact, Linear, RandomFeatures, pack_rows, unpack_rows
from .fit import fit_head
from .fit_sums import fit_sums
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
    "Finite",
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
    "fit_sums",
    "is_unknown",
    "over_classes",
    "pack_rows",
    "require_room",
    "solved_again",
    "sum_classes",
    "unfitted",
    "unpack_rows",
]
