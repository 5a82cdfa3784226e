"""What to expect of a model on new photos, in one figure, and where it is weakest.

Leave-one-out says it without a test photo; but photos in series, or copies, let it promise too much. Where
test photos contradict it, they are believed.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.classifier import Fitted, TrainingRows
from lightprobe.errors import LightprobeError
from lightprobe.head import fit_head
from lightprobe.runs.artifacts import LEFT_OUT, TEST, Answer
from lightprobe.runs.metrics import wilson_interval
from lightprobe.runtime import Runtime

# Groups that names of files may tell: without their last number, or with neighbours in number together.
PATTERNS: Final = (
    r"(.*\D)\d+\D*\.\w+$",
    r"(.*)\d\D*\.\w+$",
    r"(.*)\d\d\D*\.\w+$",
)
MOST_ROWS: Final = 4000  # that are solved again to see what leaving groups out would say
NEAR: Final = 2  # places in the numbering
SERIES: Final = 0.3  # share of photos whose most alike one is that near, from which on they are series
BY_CHANCE: Final = 2.0  # times as many as of photos in any order
WEAKEST: Final = 3  # classes that are named

Row = dict[str, Any]


def expectation(row: Mapping[str, Any]) -> Row:
    """Say what to expect, from a run's row: `accuracy`, `by`, `n`, `ci95`, and if test photos contradict.

    It is the leave-one-out figure, unless that and the test accuracy part by more than both 95 % intervals.
    """
    by = "leave-group-out" if row["n_groups"] else "leave-one-out"
    accuracy, n = row["loo_accuracy"], row["n_train"]
    if accuracy is None:
        by, accuracy, n = "validation photos", row["val_accuracy"], row["n_validation"]
    ends = row.get("loo_accuracy_ci95") if row["loo_accuracy"] is not None else None
    ends = ends or wilson_interval(round(accuracy * n), n)
    said = {"accuracy": accuracy, "by": by, "n": n, "ci95": list(ends), "parted": False}
    if row["test_accuracy"] is None:
        return said
    low, high = row["test_accuracy_ci95"]
    parted = high < ends[0] or low > ends[1]
    if not parted and row["loo_accuracy"] is not None:
        return said
    return {
        "accuracy": row["test_accuracy"],
        "by": "test photos",
        "n": row["n_test"],
        "ci95": [low, high],
        "parted": parted,
    }


def weakest(answers: Sequence[Answer], expected: Mapping[str, Any]) -> Row | None:
    """Name the classes that are found least often, and the commonest confusion; None where nothing is wrong.

    By leave-one-out, which has the more answers as a rule, unless it is not what to expect.
    """
    split = TEST if expected["by"] == "test photos" else LEFT_OUT
    chosen = [a for a in answers if a.split == split]
    wrong = [a for a in chosen if not a.right]
    if not wrong:
        return None
    n, missed = Counter(a.label for a in chosen), Counter(a.label for a in wrong)
    classes = sorted(missed, key=lambda label: -missed[label] / n[label])[:WEAKEST]
    (is_, called), count = Counter((a.label, a.answer) for a in wrong).most_common(1)[0]
    return {
        "classes": [{"class": label, "found": 1 - missed[label] / n[label]} for label in classes],
        "confusion": {"class": is_, "called": called, "n": count},
        "split": split,
    }


def guess_groups(fitted: Any, runtime: Runtime, expected: Mapping[str, Any]) -> Row | None:
    """Guess which photos belong together, where leave-one-out may promise too much.

    That is where test photos are answered worse, or where, without test photos, most photos look most like a
    neighbour in number. Each pattern of names is tried by leaving its groups out.

    Returns
    -------
    dict or None
        `pattern` (for `group`), `n_groups`, `accuracy` when they are left out, `closes`: whether that lies in
        the interval of the test photos; None where there is nothing to guess.
    """
    record = fitted.record if isinstance(fitted, Fitted) else None
    if not isinstance(record, TrainingRows) or fitted.n_groups or len(record) > MOST_ROWS:
        return None
    worse = expected["parted"] and expected["accuracy"] < fitted.head.loo_accuracy
    if not worse and (expected["by"] != "leave-one-out" or not _is_in_series(record)):
        return None
    options = replace(
        fitted.settings.head_options(runtime),
        kernel=fitted.choice.kernel,
        alpha=fitted.head.alpha_relative,
    )
    found = []
    for pattern in PATTERNS:
        groups = _groups(record, pattern)
        if groups is None:
            continue
        try:
            head = fit_head(record.rows, record.labels, len(fitted.classes), options, groups=groups)
        except LightprobeError:  # of memory, as a rule: then nothing is guessed
            continue
        found.append((pattern, int(groups.max()) + 1, head.loo_accuracy))
    if not found:
        return None
    aim = expected["accuracy"] if worse else 0.0
    pattern, n_groups, accuracy = min(found, key=lambda one: abs(one[2] - aim))
    low, high = expected["ci95"]
    if not worse and accuracy >= low:
        return None
    return {
        "pattern": pattern,
        "n_groups": n_groups,
        "accuracy": accuracy,
        "closes": bool(worse and low <= accuracy <= high),
    }


def _groups(record: TrainingRows, pattern: str) -> NDArray[np.intp] | None:
    """Group photos by what a pattern finds in their names; None unless every class has two groups or more."""
    matches = [re.search(pattern, name) for name in record.names]
    if not all(matches):
        return None
    groups = np.unique([match[1] for match in matches if match is not None], return_inverse=True)[1]
    pairs = np.unique(np.stack([record.labels, groups]), axis=1)
    if np.bincount(pairs[0]).min() < 2 or len(np.unique(groups)) == len(groups):
        return None
    return groups


def _is_in_series(record: TrainingRows) -> bool:
    """Whether most photos look most like one that is near in the numbering of their class."""
    matches = [re.search(PATTERNS[0], name) for name in record.names]
    numbers = [re.search(r"(\d+)\D*\.\w+$", name) for name in record.names]
    if not all(matches) or not all(numbers):
        return False
    near, n, chance = 0, 0, 0.0
    for label in np.unique(record.labels):
        places = np.flatnonzero(record.labels == label)
        if len(places) <= 2 * NEAR:
            continue
        rows = record.rows[places].astype(np.float32)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        alike = rows @ rows.T
        np.fill_diagonal(alike, -2.0)
        keys = [(matches[i][1], int(numbers[i][1])) for i in places]  # type: ignore[index]
        rank = np.argsort(np.array(sorted(range(len(keys)), key=keys.__getitem__)))
        near += int((np.abs(rank - rank[alike.argmax(axis=1)]) <= NEAR).sum())
        n += len(places)
        chance += len(places) * 2 * NEAR / (len(places) - 1)
    return n > 0 and near > max(SERIES * n, BY_CHANCE * chance)
