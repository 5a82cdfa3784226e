"""Find labels that were flipped at random: the check's ranking beside cleanlab's, on the same features.

    python benchmarks/label_errors.py DATA [--backbone NAME] [--weights FILE] [--seeds 3] [--json]

Of the training labels 5 % and 20 % are flipped to another class. Precision at k is the share of flipped
labels among the k labels that look most wrong, where k labels were flipped. Ours is leave-one-out on the
optical kernel; cleanlab gets probabilities from 5-fold logistic regression on the same features, scaled to
length one (scikit-learn, C as given by --c), and ranks by self-confidence, its default. Seconds start at the
features. Without cleanlab (pip install cleanlab) its ranking is computed as its documentation defines it:
self-confidence is the probability of the given label.
"""

import json
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from common import averaged_features, photo_arguments
from lightprobe.check import judge_labels
from lightprobe.images import open_images

RATES = (0.05, 0.2)
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def flipped(labels: Labels, rate: float, seed: int) -> tuple[Labels, NDArray[np.bool_]]:
    """Give a share of the labels another class; return the labels and which were flipped."""
    rng = np.random.default_rng(seed)
    n_classes = int(labels.max()) + 1
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[rng.choice(len(labels), round(rate * len(labels)), replace=False)] = True
    noisy = labels.copy()
    noisy[chosen] = (noisy[chosen] + rng.integers(1, n_classes, chosen.sum())) % n_classes
    return noisy, chosen


def ours(X: NDArray[np.float32], labels: Labels) -> Floats:
    """Chance that each label is wrong."""
    return judge_labels(X, labels).noise.chance


def theirs(X: NDArray[np.float32], labels: Labels, c: float) -> Floats:
    """How little cleanlab trusts each label."""
    model = LogisticRegression(C=c, max_iter=2000)
    probabilities = cross_val_predict(model, X, labels, cv=5, method="predict_proba")
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return -np.asarray(probabilities[np.arange(len(labels)), labels])
    return -np.asarray(get_label_quality_scores(labels, probabilities))


def precision_at_k(doubt: Floats, chosen: NDArray[np.bool_]) -> float:
    """Share of flipped labels among as many that look most wrong."""
    return float(chosen[np.argsort(-doubt, kind="stable")[: chosen.sum()]].mean())


def main() -> None:
    """Flip, rank, print."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--c", type=float, default=30.0, help="inverse penalty of the logistic regression")
    args = parser.parse_args()
    X, labels = averaged_features(open_images(args.data).training, args.backbone, args.weights)
    ours(X[::4], labels[::4])  # warm up
    rows: list[dict[str, Any]] = []
    for rate in RATES:
        for seed in range(args.seeds):
            noisy, chosen = flipped(labels, rate, seed)
            row: dict[str, Any] = {"rate": rate, "seed": seed, "flipped": int(chosen.sum())}
            start = time.perf_counter()
            row["ours"] = precision_at_k(ours(X, noisy), chosen)
            row["ours_seconds"] = time.perf_counter() - start
            start = time.perf_counter()
            row["cleanlab"] = precision_at_k(theirs(X, noisy, args.c), chosen)
            row["cleanlab_seconds"] = time.perf_counter() - start
            rows.append(row)
            if not args.json:
                print({key: round(value, 3) for key, value in row.items()}, flush=True)
    summary = [
        {
            "rate": rate,
            **{
                key: float(np.mean([row[key] for row in rows if row["rate"] == rate]))
                for key in ("ours", "cleanlab", "ours_seconds", "cleanlab_seconds")
            },
        }
        for rate in RATES
    ]
    if args.json:
        print(json.dumps({"rows": rows, "summary": summary}))
        return
    print("\n| flipped | ours, precision at k | cleanlab's | ours, s | cleanlab's, s | times as fast |")
    print("|---|---|---|---|---|---|")
    for s in summary:
        ratio = s["cleanlab_seconds"] / s["ours_seconds"]
        quality = f"{s['ours']:.3f} | {s['cleanlab']:.3f}"
        seconds = f"{s['ours_seconds']:.1f} | {s['cleanlab_seconds']:.1f}"
        print(f"| {s['rate']:.0%} | {quality} | {seconds} | {ratio:.0f} |")


if __name__ == "__main__":
    main()
