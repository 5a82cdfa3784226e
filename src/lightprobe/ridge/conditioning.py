"""When a ridge system cannot be solved: all rows look the same, or the penalty is too small."""

from lightprobe.errors import LightprobeError, OptionError
from lightprobe.ridge.factor import Cholesky, NotPositiveDefiniteError
from lightprobe.ridge.loo import Floats

DEGENERATE = 1e-12  # below this share of the uncentred trace, the centred one is rounding


class DegenerateKernelError(LightprobeError, ValueError):
    """The centred kernel is zero to rounding: every row looks the same, so there is nothing to fit."""


class IllConditionedError(OptionError):
    """The penalty is too small for the system to be solved in double precision."""


def refuse_degenerate(scale: float, total: float) -> None:
    """Refuse a centred trace that is rounding beside the uncentred one."""
    if not scale > DEGENERATE * total:
        raise DegenerateKernelError(
            f"The features are the same for every row (their spread is {scale:.3g} of {total:.3g}), "
            "so there is nothing to fit; choose another encoding or layer."
        )


def factorise(factor: Cholesky, diagonal: Floats, alpha_relative: float) -> None:
    """Factor with this diagonal (n,), or say of the penalty that it is too small."""
    try:
        factor.factorise(diagonal)
    except NotPositiveDefiniteError as error:
        raise IllConditionedError(
            f"A relative alpha of {alpha_relative:.3g} is too small for double precision; use a larger one."
        ) from error
