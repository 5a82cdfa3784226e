from .alpha_search import ACCURACY_ROWS, AlphaPoint, RidgeFit, Trials
from .calibrate import (
    Calibration,
    calibration_error_limit,
    expected_calibration_error,
    fit_calibration,
    softmax,
)
from .cholesky import Cholesky, IllConditionedError
from .dual import DegenerateKernelError, DualSystem
from .loo import Keys, Rows, group_members, identical_rows, joined_groups, row_keys
from .plan import Plan, plan_fit, primal_bytes
from .significance import accuracy_interval, paired_gain
from .solve import SOLVERS, solve_dual, solve_primal, solve_sums
from .sufficient_statistics import RidgeStatistics

__all__ = [
    "ACCURACY_ROWS",
    "SOLVERS",
    "AlphaPoint",
    "Calibration",
    "Cholesky",
    "DegenerateKernelError",
    "DualSystem",
    "IllConditionedError",
    "Keys",
    "Plan",
    "RidgeFit",
    "RidgeStatistics",
    "Rows",
    "Trials",
    "accuracy_interval",
    "calibration_error_limit",
    "expected_calibration_error",
    "fit_calibration",
    "group_members",
    "identical_rows",
    "joined_groups",
    "paired_gain",
    "plan_fit",
    "primal_bytes",
    "row_keys",
    "softmax",
    "solve_dual",
    "solve_primal",
    "solve_sums",
]
