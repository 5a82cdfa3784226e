"""Figures of merit of a classifier on photos it was not trained on; pure functions over arrays."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightprobe.ridge import calibration_error_limit, expected_calibration_error


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """95 % confidence interval of a proportion p̂ = successes/n; (0, 1), which excludes nothing, for n = 0.

    (p̂ + z²/2n ± z √(p̂(1 − p̂)/n + z²/4n²)) / (1 + z²/n); Wilson 1927, JASA 22:209-212. Unlike the textbook's
    p̂ ± z √(p̂(1 − p̂)/n) it is right near 0 and 1. There rounding may put an end on the wrong side of p̂, so
    each end is held to its own: 0 ≤ low ≤ p̂ ≤ high ≤ 1.
    """
    from scipy.stats import binomtest  # half a second that reading rows need not take

    if n == 0:
        return 0.0, 1.0
    share = successes / n
    interval = binomtest(int(successes), int(n)).proportion_ci(0.95, method="wilson")
    return max(0.0, min(float(interval.low), share)), min(1.0, max(float(interval.high), share))


def paired_interval(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[float, tuple[float, float]]:
    """Difference of two accuracies on the same photos, and its 95 % interval.

    With b photos that only the first gets right and c that only the second does, and half a photo added to
    each of the four kinds: (b − c)/N ± z √(b + c − (b − c)²/N)/N (Agresti and Min 2005, Statistics in
    Medicine 24:729-740).
    """
    only_first, only_second = float((first & ~second).sum()), float((second & ~first).sum())
    n = len(first) + 2
    centre = (only_first - only_second) / n
    spread = (only_first + only_second + 1 - (only_first - only_second) ** 2 / n) ** 0.5 / n
    return float(first.mean() - second.mean()), (centre - 1.96 * spread, centre + 1.96 * spread)


def confusion_matrix(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Count photos of class i that were called j, shape (n_classes, n_classes)."""
    cells = np.bincount(labels * n_classes + predicted, minlength=n_classes * n_classes)
    return cells.reshape(n_classes, n_classes)


def balanced_accuracy(confusion: NDArray[np.int64]) -> float:
    """Mean recall of the classes that have photos, from counts (n_classes, n_classes)."""
    totals = confusion.sum(axis=1)
    return float(np.mean(np.diagonal(confusion)[totals > 0] / totals[totals > 0]))


def evaluation(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str]
) -> dict[str, object]:
    """Everything that `evaluate --json` prints, from labels (n,) and probabilities (n, n_classes)."""
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted, len(classes))
    correct = int(np.trace(confusion))
    return {
        "accuracy": correct / len(labels),
        "balanced_accuracy": balanced_accuracy(confusion),
        "accuracy_ci95": wilson_interval(correct, len(labels)),
        "n": len(labels),
        "per_class": [
            {
                "class": name,
                "n": int(confusion[i].sum()),
                "recall": _ratio(confusion[i, i], confusion[i].sum()),
                "precision": _ratio(confusion[i, i], confusion[:, i].sum()),
            }
            for i, name in enumerate(classes)
        ],
        "confusion": confusion.tolist(),
        "classes": list(classes),
        "expected_calibration_error": expected_calibration_error(probabilities, labels),
        "calibration_error_limit95": calibration_error_limit(probabilities),
    }


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
