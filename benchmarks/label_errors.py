"""Find labels that were made wrong on purpose: the check beside confident learning, on the same features.

    python benchmarks/label_errors.py DATA [--backbone NAME] [--weights FILE] [--seeds 3] [--limit N] [--json]
        [--noise uniform partner one-class hard]

Of the training labels 2, 5 and 20 % are changed:

- uniform: to any other class;
- partner: in every class, to the class that leave-one-out takes it for most often;
- one-class: that share of the largest class alone, to its partner;
- hard: of the photos whose two best classes leave-one-out can tell apart least, to the other of the two.

`found` are the wrong labels, `false` the right ones among those that are listed: by the check, those with a
chance of 20 % and more of being wrong; by confident learning (Northcutt et al. 2021, the rule of cleanlab's
find_label_issues with filter_by="confident_learning"; cleanlab itself where it is installed), those whose
probability of another class reaches that class's mean self-confidence. It gets probabilities from 5-fold
logistic regression on the same features, scaled to length one (scikit-learn, C as given by --c). `expected`
is the sum of the check's chances, to hold against the number of wrong labels; `calibration` the mean
difference, over five bins of the chance, between it and the share of wrong labels. Seconds start at the
features.
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

RATES = (0.02, 0.05, 0.2)
NOISES = ("uniform", "partner", "one-class", "hard")
LISTED = 0.2  # as in `check`
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def changed(noise: str, labels: Labels, rate: float, scores: Floats, seed: int) -> Labels:
    """Make a share of the labels wrong; `scores` (n, c) are of leave-one-out with the labels as they are."""
    rng = np.random.default_rng(seed)
    noisy, n_classes = labels.copy(), scores.shape[1]
    other = np.where(np.arange(n_classes) == labels[:, None], -np.inf, scores)
    if noise == "uniform":
        chosen = rng.choice(len(labels), round(rate * len(labels)), replace=False)
        noisy[chosen] = (labels[chosen] + rng.integers(1, n_classes, len(chosen))) % n_classes
        return noisy
    if noise == "hard":
        gap = np.abs(scores[np.arange(len(labels)), labels] - other.max(axis=1))
        chosen = np.argsort(gap, kind="stable")[: round(rate * len(labels))]
        noisy[chosen] = other[chosen].argmax(axis=1)
        return noisy
    classes = [int(np.bincount(labels).argmax())] if noise == "one-class" else range(n_classes)
    for label in classes:
        members = np.flatnonzero(labels == label)
        partner = np.bincount(other[members].argmax(axis=1), minlength=n_classes).argmax()
        noisy[rng.permutation(members)[: round(rate * len(members))]] = partner
    return noisy


def confident_learning(X: NDArray[np.float32], labels: Labels, c: float) -> NDArray[np.bool_]:
    """Tell which labels confident learning lists."""
    model = LogisticRegression(C=c, max_iter=2000)
    probabilities = cross_val_predict(model, X, labels, cv=5, method="predict_proba")
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        means = np.array([probabilities[labels == k, k].mean() for k in range(probabilities.shape[1])])
        reached = np.where(probabilities >= means, probabilities, -1.0)
        return np.asarray((reached.max(axis=1) >= 0) & (reached.argmax(axis=1) != labels))
    return np.asarray(find_label_issues(labels, probabilities, filter_by="confident_learning"))


def calibration(chance: Floats, wrong: NDArray[np.bool_]) -> float:
    """Mean difference between chances and what came true, over bins of the chance."""
    which = np.minimum((chance * 5).astype(int), 4)
    return float(np.abs(np.bincount(which, wrong - chance, 5)).sum() / len(chance))


def measure(X: NDArray[np.float32], noisy: Labels, wrong: NDArray[np.bool_], c: float) -> dict[str, Any]:
    """Let both look for the wrong labels."""
    start = time.perf_counter()
    chance = judge_labels(X, noisy).noise.chance
    between = time.perf_counter()
    theirs = confident_learning(X, noisy, c)
    end = time.perf_counter()
    ours = chance >= LISTED
    return {
        "wrong": int(wrong.sum()),
        "expected": float(chance.sum()),
        "found": int((ours & wrong).sum()),
        "false": int((ours & ~wrong).sum()),
        "calibration": calibration(chance, wrong),
        "seconds": between - start,
        "their_found": int((theirs & wrong).sum()),
        "their_false": int((theirs & ~wrong).sum()),
        "their_seconds": end - between,
    }


def main() -> None:
    """Change labels, look for them, print."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--noise", nargs="+", choices=NOISES, default=NOISES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="photos drawn at random, of more")
    parser.add_argument("--c", type=float, default=30.0, help="inverse penalty of the logistic regression")
    args = parser.parse_args()
    X, labels = averaged_features(open_images(args.data).training, args.backbone, args.weights)
    if args.limit and args.limit < len(X):
        some = np.random.default_rng(0).permutation(len(X))[: args.limit]
        X, labels = X[some], np.unique(labels[some], return_inverse=True)[1]
    judged = judge_labels(X, labels)
    rows = []
    for noise in ("none", *args.noise):
        for rate in (0.0,) if noise == "none" else RATES:
            for seed in range(1 if noise in ("none", "hard") else args.seeds):
                noisy = labels
                if rate:
                    noisy = changed(noise, labels, rate, judged.left_out[0], seed)
                row = measure(X, noisy, noisy != labels, args.c)
                rows.append({"noise": noise, "rate": rate, "seed": seed, **row})
    if args.json:
        print(json.dumps({"rows": rows}))
        return
    print("| noise | wrong | expected | found | false | calibration | s | theirs: found | false | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for noise, rate in dict.fromkeys((row["noise"], row["rate"]) for row in rows):
        of = [row for row in rows if (row["noise"], row["rate"]) == (noise, rate)]
        m = {key: np.mean([row[key] for row in of]) for key in of[0] if key not in ("noise", "rate")}
        print(
            f"| {noise} {rate:.0%} | {m['wrong']:.0f} | {m['expected']:.0f} | {m['found']:.0f} "
            f"| {m['false']:.0f} | {m['calibration']:.3f} | {m['seconds']:.1f} "
            f"| {m['their_found']:.0f} | {m['their_false']:.0f} | {m['their_seconds']:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
