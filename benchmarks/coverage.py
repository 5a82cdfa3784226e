"""Sets of labels at a coverage: from left-out scores, beside split conformal prediction.

    python benchmarks/coverage.py DATA [--backbone NAME] [--weights FILE] [--coverage 0.9] [--splits 5]
        [--limit N] [--json]

A stratified fifth of all photos is kept for test, once a split. Ours learns from all others, and takes its
thresholds from leave-one-out (`Conformal`). Split conformal fits the same head to half of the others, and
takes one threshold of 1 − p(y) from the other half: the rule of MAPIE's SplitConformalClassifier with
conformity_score="lac", and MAPIE itself where it is installed. `low` and `high` are where the share of sets
that hold the right label lies in 95 of 100 such tests, were the coverage right: a binomial of the test photos
and, as thresholds vary with the photos that they are from, of these.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from common import averaged_features, photo_arguments
from lightprobe import OpticalRidge
from lightprobe.head import Conformal
from lightprobe.images import holdout_mask, open_images

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Held = NDArray[np.bool_]


def ours(X: NDArray[np.float32], y: Labels, test: NDArray[np.float32], coverage: float) -> Held:
    """Make sets for the test photos by a head on all others."""
    head = OpticalRidge().fit(X, y).fitted_
    return Conformal.of(head, y, np.arange(len(y))).holds(head.probabilities(test), coverage)


def split(X: NDArray[np.float32], y: Labels, test: NDArray[np.float32], coverage: float) -> Held:
    """Make sets by a head on half of the others, and a threshold from the other half."""
    half = holdout_mask(y, 0.5)
    head = OpticalRidge().fit(X[~half], y[~half])
    try:
        from mapie.classification import SplitConformalClassifier
    except ImportError:
        strange = np.sort(1 - head.predict_proba(X[half])[np.arange(half.sum()), y[half]])
        rank = min(len(strange), int(np.ceil((len(strange) + 1) * coverage)))
        return np.asarray(1 - head.predict_proba(test) <= strange[rank - 1])
    theirs = SplitConformalClassifier(head, confidence_level=coverage, conformity_score="lac", prefit=True)
    return np.asarray(theirs.conformalize(X[half], y[half]).predict_set(test)[1][:, :, 0])


def judged(held: Held, y: Labels) -> tuple[float, float, float]:
    """Share that holds the right label, mean size, share of empty sets."""
    sizes = held.sum(axis=1)
    return float(held[np.arange(len(y)), y].mean()), float(sizes.mean()), float((sizes == 0).mean())


def main() -> None:
    """Split, fit, judge, print."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--coverage", type=float, default=0.9)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--limit", type=int, help="photos drawn at random, of more")
    args = parser.parse_args()
    X, y = averaged_features(open_images(args.data), args.backbone, args.weights)
    if args.limit and args.limit < len(X):
        some = np.random.default_rng(0).permutation(len(X))[: args.limit]
        X, y = X[some], np.unique(y[some], return_inverse=True)[1]
    rows: list[dict[str, Any]] = []
    for number in range(args.splits):
        test = holdout_mask(y, 0.2, random_state=number)
        covered, size, empty = judged(ours(X[~test], y[~test], X[test], args.coverage), y[test])
        their_covered, their_size, _ = judged(split(X[~test], y[~test], X[test], args.coverage), y[test])
        share = args.coverage * (1 - args.coverage)
        error = norm.ppf(0.975) * (share / test.sum() + share / (~test).sum()) ** 0.5
        row = {"split": number, "low": args.coverage - error, "high": args.coverage + error}
        row |= {"coverage": covered, "size": size, "empty": empty}
        rows.append(row | {"their_coverage": their_covered, "their_size": their_size})
    if args.json:
        print(json.dumps({"rows": rows}))
        return
    print("| split | 95 % band | coverage | mean size | empty | split conformal's coverage | mean size |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['split']} | {row['low']:.1%} to {row['high']:.1%} | {row['coverage']:.1%} "
            f"| {row['size']:.3f} | {row['empty']:.1%} "
            f"| {row['their_coverage']:.1%} | {row['their_size']:.3f} |"
        )


if __name__ == "__main__":
    main()
