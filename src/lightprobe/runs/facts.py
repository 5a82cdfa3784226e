"""What a row says of the time that a run took."""

from collections.abc import Mapping


def with_total(stages: Mapping[str, float]) -> dict[str, float]:
    """Add the total to a method's stages; `to_99` is a point in time and no stage."""
    return {**stages, "total": sum(value for stage, value in stages.items() if stage != "to_99")}
