"""Numbers as people read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightprobe import html_text
from lightprobe.html_text import ABSENT, percent


def legible(value: Any) -> Any:
    """Return JSON values with names that are no text in UTF-8 as their escapes: figures draw only text."""
    if isinstance(value, str):
        return html_text.legible(value)
    if isinstance(value, Mapping):
        return {key: legible(one) for key, one in value.items()}
    return [legible(one) for one in value] if isinstance(value, list) else value


def points(difference: float) -> str:
    """Write a difference of shares in points, with its sign."""
    return f"{100 * difference:+.1f} points".replace("-", "−")


def seconds(value: float | None) -> str:
    """Write seconds: below a minute as they are, then minutes, then hours."""
    if value is None:
        return ABSENT
    if value < 60:
        return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.1f} min" if value < 3600 else f"{value / 3600:.1f} h"


def megabytes(value: float | None) -> str:
    """Write bytes in MB (10⁶ bytes)."""
    return ABSENT if value is None else f"{value / 1e6:,.3g} MB" if value < 1e9 else f"{value / 1e6:,.0f} MB"


def interval(ends: Sequence[float] | None) -> str:
    """Write an interval of shares: 63.0 to 90.0 %."""
    return ABSENT if ends is None else f"{100 * ends[0]:.1f} to {percent(ends[1])}"


def count(number: int, singular: str, plural: str = "") -> str:
    """Write a number of things."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def some_of(names: Sequence[str], most: int = 10) -> str:
    """List names, of many the first and how many more there are."""
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"


def left_out(row: Mapping[str, Any]) -> str:
    """Name what was left out in a row's leave-one-out figures."""
    return "leave-group-out" if row.get("n_groups") else "leave-one-out"
