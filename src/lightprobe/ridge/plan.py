"""How to fit within a memory limit and in reasonable time, and a sentence that says why.

    exact (dual)      8n² bytes      n²m/2 products, then 2n³/3 a penalty
    random (primal)   8k² bytes      n projections, nk² for the Gram matrix and as much for the left-out
                                     scores, then k³/3 + sk² a penalty (s rows searched)
    linear            the primal with k = m where m < n, else the dual

The exact kernel is what random features only approach (at k = 16,384, flattened sign bits of flowers and
trash lost two to five points of accuracy), so it is taken while memory and patience allow.
Seconds come from the nominal rates below, which are those of two CPU cores with AVX-512: another machine
has other seconds, but nearly the same ratios.
"""

from dataclasses import dataclass

from lightprobe.errors import ResourceError
from lightprobe.ridge.loo import BLOCK_ROWS
from lightprobe.ridge.solve import SEARCH_ROWS

PRODUCT_RATES = {"uint8": 2e12, "float": 1e11}  # products a second
SOLVE_RATE = 8e10  # double-precision operations a second
PROJECT_SECONDS = 1e-8  # a row and component (or column, whichever are more), structured
DUAL_PENALTIES, PRIMAL_PENALTIES = 1.5, 5  # tried as a rule; in the dual three on half of the rows and one
PATIENCE = 300.0  # seconds, or twice those of random features: what the exact kernel may take
MAX_COMPONENTS = 16_384  # beyond, the k³ of the solve outweighs what more features bring
MIN_COMPONENTS = 64


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes
    ----------
    solver : {"dual", "primal"}
    components : int or None
        Random features; None for the features or the kernel as they are.
    stored : bool
        Whether random features are kept in memory, or made again whenever they are read.
    reason : str
    """

    solver: str
    components: int | None
    stored: bool
    reason: str


def plan_fit(n: int, m: int, *, linear: bool, components: str | int, budget: int, integers: bool) -> Plan:
    """Choose how to fit n rows of m columns.

    Parameters
    ----------
    linear : bool
        Whether the kernel is the linear one.
    components : "auto", "exact" or int
        What was asked for.
    budget : int
        Bytes that fitting may take beside the features.
    integers : bool
        Whether the features are uint8, whose kernels are faster.

    Raises
    ------
    ResourceError
        What was asked for does not fit, or nothing does.
    """
    if linear and m < n:
        needed = primal_bytes(m)
        _require(needed, budget, f"The Gram matrix of {m} features")
        return Plan(
            "primal", None, True, f"Linear kernel in the primal: {m} features are fewer than {n} rows."
        )
    if not isinstance(components, str):
        return _random(n, components, budget, f"{components} random features, as asked for")
    exact = dual_bytes(n)
    seconds = n * n * m / 2 / PRODUCT_RATES["uint8" if integers else "float"]
    seconds += DUAL_PENALTIES * n**3 * 2 / 3 / SOLVE_RATE
    said = f"The exact kernel of {n} rows takes about {_gb(exact)} and {seconds:.2g} s"
    if linear or components == "exact":
        _require(exact, budget, f"The exact kernel of {n} rows")
        return Plan("dual", None, True, f"{said}; {_gb(budget)} are allowed.")
    affordable = MAX_COMPONENTS
    while primal_bytes(affordable) > budget and affordable > MIN_COMPONENTS:
        affordable //= 2
    other = _random_seconds(n, m, affordable)
    against = f"{affordable} random features {_gb(primal_bytes(affordable))} and {other:.2g} s"
    if exact <= budget and seconds <= max(PATIENCE, 2 * other):
        return Plan("dual", None, True, f"{said}, {against}; {_gb(budget)} are allowed.")
    return _random(n, affordable, budget, f"{said}, {against}; {_gb(budget)} are allowed")


def dual_bytes(n: int) -> int:
    """Bytes of solving n rows in the dual: the kernel, factored in its own memory, half's, and blocks."""
    return 10 * n * n + 10 * 8 * BLOCK_ROWS * n


def primal_bytes(k: int) -> int:
    """Bytes of solving k features in the primal: their Gram matrix, factored in place, and blocks."""
    return 8 * k * k + 4 * 8 * BLOCK_ROWS * k


def _random(n: int, components: int, budget: int, reason: str) -> Plan:
    solver = "primal" if components < n else "dual"
    needed = primal_bytes(components) if solver == "primal" else dual_bytes(n) + 4 * n * components
    _require(needed, budget, f"Solving for {components} random features of {n} rows")
    stored = solver == "dual" or needed + 4 * n * components <= budget
    return Plan(solver, components, stored, f"{reason}{'' if stored else ', made again at each reading'}.")


def _random_seconds(n: int, m: int, k: int) -> float:
    solve = n * k * k * 2 + PRIMAL_PENALTIES * (k**3 / 3 + min(n, SEARCH_ROWS) * k * k)
    return n * max(k, m) * PROJECT_SECONDS + solve / SOLVE_RATE


def _require(needed: int, budget: int, what: str) -> None:
    if needed > budget:
        raise ResourceError(
            f"{what} takes {_gb(needed)} and {_gb(budget)} are allowed; "
            "give components a smaller number or raise max_memory."
        )


def _gb(size: int) -> str:
    return f"{size / 1e9:.2g} GB"
