"""The head: ridge regression in closed form, its leave-one-out scores, and probabilities from them."""

from lightprobe.ridge.alpha_search import AlphaPoint, RidgeFit
from lightprobe.ridge.calibrate import (
    Calibration,
    calibration_error_limit,
    expected_calibration_error,
    fit_calibration,
)
from lightprobe.ridge.cholesky import IllConditionedError, double_device
from lightprobe.ridge.dual import DegenerateKernelError, DualSystem
from lightprobe.ridge.loo import group_members, identical_rows, joined_groups
from lightprobe.ridge.plan import Plan, plan_fit, primal_bytes
from lightprobe.ridge.solve import SOLVERS, solve_dual, solve_primal, solve_sums
from lightprobe.ridge.sufficient_statistics import RidgeStatistics, Rows

__all__ = [
    "SOLVERS",
    "AlphaPoint",
    "Calibration",
    "DegenerateKernelError",
    "DualSystem",
    "IllConditionedError",
    "Plan",
    "RidgeFit",
    "RidgeStatistics",
    "Rows",
    "calibration_error_limit",
    "double_device",
    "expected_calibration_error",
    "fit_calibration",
    "group_members",
    "identical_rows",
    "joined_groups",
    "plan_fit",
    "primal_bytes",
    "solve_dual",
    "solve_primal",
    "solve_sums",
]
