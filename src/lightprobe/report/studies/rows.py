"""What the studies' figures have in common: which accuracy is meant, and rows by a key."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

Row = Mapping[str, Any]
Item = TypeVar("Item")


def scored(rows: Iterable[Row]) -> list[Row]:
    """Leave out what could not be run."""
    return [row for row in rows if not row.get("dropped")]


def accuracy(row: Row) -> float:
    """Accuracy on test photos; left out, where there are none."""
    return float(row["loo_accuracy"] if row["test_accuracy"] is None else row["test_accuracy"])


def accuracy_name(rows: Sequence[Row]) -> str:
    """Say which accuracy `accuracy` gives."""
    if rows[0]["test_accuracy"] is not None:
        return f"accuracy on {rows[0]['n_test']:,} test photos"
    return "leave-group-out accuracy" if rows[0].get("n_groups") else "leave-one-out accuracy"


def grouped(rows: Iterable[Item], key: Callable[[Item], Any]) -> dict[Any, list[Item]]:
    """Collect rows, or pairs of them, by a key, in the order in which the keys come."""
    groups: dict[Any, list[Item]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def mean(values: Iterable[float]) -> float:
    """Average."""
    return float(np.mean(list(values)))


def arm(row: Row) -> str:
    """Name what a row's photos were given to: a kernel of the closed form, or a method by gradients."""
    return f"{row['kernel']} kernel" if row["method"] == "optical" else str(row["method"])


def closed_form(rows: Iterable[Row]) -> list[Row]:
    """Keep the rows of the closed form."""
    return [row for row in rows if row["method"] == "optical"]


def given(row: Row) -> int:
    """Count the training photos that a method was given, those that it validated on among them."""
    return int(row["n_train"] + (row.get("n_validation") or 0))
