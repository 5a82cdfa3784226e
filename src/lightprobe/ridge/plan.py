"""Exact kernel or random features: a choice by memory that can be said in one sentence."""

from dataclasses import dataclass

from lightprobe.errors import ResourceError

MAX_COMPONENTS = 16_384  # beyond, the k³ of the solve outweighs what more features bring
MIN_COMPONENTS = 64


@dataclass(frozen=True)
class Plan:
    """The number of random features, None for the exact kernel, and why."""

    components: int | None
    reason: str


def plan_fit(n: int, components: str | int, budget: int) -> Plan:
    """Choose how to fit n rows within `budget` bytes.

    Parameters
    ----------
    n : int
    components : "auto", "exact" or int
        What was asked for.
    budget : int
        Bytes that fitting may take.

    Raises
    ------
    ResourceError
        The exact kernel was asked for and does not fit, or nothing does.
    """
    exact = dual_bytes(n)
    if not isinstance(components, str):
        return Plan(components, f"{components} random features, as asked for.")
    if exact <= budget:
        return Plan(None, f"Exact kernel: {n} rows take {_gb(exact)} of the {_gb(budget)} allowed.")
    if components == "exact":
        raise ResourceError(
            f"The exact kernel of {n} rows takes {_gb(exact)} and {_gb(budget)} are allowed; "
            "give components a number or raise max_memory."
        )
    chosen = MAX_COMPONENTS
    while primal_bytes(n, chosen) > budget:
        chosen //= 2
        if chosen < MIN_COMPONENTS:
            raise ResourceError(
                f"{n} rows take {_gb(primal_bytes(n, MIN_COMPONENTS))} even with {MIN_COMPONENTS} random "
                f"features and {_gb(budget)} are allowed; raise max_memory."
            )
    return Plan(
        chosen,
        f"{chosen} random features, {_gb(primal_bytes(n, chosen))}: the exact kernel of {n} rows would take "
        f"{_gb(exact)} of the {_gb(budget)} allowed.",
    )


def dual_bytes(n: int) -> int:
    """Bytes of solving n rows in the dual: the kernel, a factor, and room to build them."""
    return 3 * 8 * n * n


def primal_bytes(n: int, k: int) -> int:
    """Bytes of solving k features of n rows in the primal: Gram matrices, a factor, float32 features."""
    return 4 * 8 * k * k + 4 * n * k


def _gb(size: int) -> str:
    return f"{size / 1e9:.2g} GB"
