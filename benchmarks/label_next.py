"""Label the photos that `lightprobe next` names, those of margin sampling, or photos in random order.

    python benchmarks/label_next.py DATA [--backbone NAME] [--weights FILE] [--limit 5000] [--test 2000]
        [--batch 5] [--seeds 10] [--rules next margin random] [--json]

From two photos of each class on, batches of photos get their labels, and the model (pooled features of
length one, the optical kernel) is fitted again after each; penalty and calibration are chosen again, by
leave-one-out, whenever there are a quarter more labels. What is counted is the labels after which it first
reaches 95 % of the accuracy that all labels give, on the test split, or without one on a fifth of the photos:
mean and standard error over seeds, which draw the first photos. `next` is the rule of `lightprobe next`,
`margin` is scikit-activeml's margin sampling on the same probabilities (left out where scikit-activeml is not
installed), `random` is random order.

The last lines are for those who have no labels yet: the classes that the first 50 photos hold, and the
accuracy after them, where they are spread over clusters as `lightprobe next` without a model does, and where
they are drawn at random.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import averaged_features, photo_arguments
from lightprobe.images import ImageSet, holdout_mask, open_images
from lightprobe.labelling import choose_spread, choose_unsure
from lightprobe.optics import optical_kernel
from lightprobe.ridge import Calibration, fit_calibration, solve_dual

SHARE = 0.95
PER_CLASS = 2
FIRST = 50
RULES = ("next", "margin", "random")

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Pool:
    """Photos whose labels can be asked for, and test photos, with all kernels between them."""

    def __init__(self, X: NDArray[np.float32], labels: NDArray[np.int64], test: NDArray[np.bool_]) -> None:
        self.X, self.labels = X[~test], labels[~test]
        self._test_labels = labels[test]
        self._between = optical_kernel(self.X)
        self._to_test = optical_kernel(X[test], self.X)
        self.n_classes = int(labels.max()) + 1

    def __len__(self) -> int:
        return len(self.labels)

    def fit(self, known: Indices, before: "Fit | None" = None) -> "Fit":
        """Fit to the labels of some photos; `before` is the fit to fewer."""
        classes, places = np.unique(self.labels[known], return_inverse=True)
        if len(classes) < 2:
            return Fit(len(known), 0.0, float(np.mean(self._test_labels == classes[0])))
        if before is not None and 4 * len(known) >= 5 * before.n_chosen:
            before = None
        solved = solve_dual(
            self._between[np.ix_(known, known)],
            2.0 * np.eye(len(classes))[places] - 1,
            alpha_relative=None if before is None else before.alpha,
            overwrite_K=True,
        )
        calibration = fit_calibration(solved.loo_scores, places) if before is None else before.calibration
        told = classes[(self._to_test[:, known] @ solved.coef + solved.intercept).argmax(axis=1)]
        return Fit(
            len(known) if before is None else before.n_chosen,
            solved.alpha_relative,
            float(np.mean(told == self._test_labels)),
            calibration,
            lambda rows: self._between[np.ix_(rows, known)] @ solved.coef + solved.intercept,
        )


@dataclass(frozen=True)
class Fit:
    """A model: when its penalty was chosen and which, its accuracy, and what it says of photos."""

    n_chosen: int
    alpha: float
    accuracy: float
    calibration: Calibration | None = None
    scores: Callable[[Indices], Floats] | None = None

    def probabilities(self, rows: Indices) -> Floats:
        """Probabilities (n, c) of photos; they know of one class only where no other has a label."""
        if self.calibration is None or self.scores is None:
            return np.ones((len(rows), 1))
        return self.calibration.probabilities(self.scores(rows))


def asked(rule: str, pool: Pool, rest: Indices, fit: Fit, n: int, rng: np.random.Generator) -> Indices:
    """Choose n of the rows `rest`."""
    if rule == "random":
        return rng.permutation(rest)[:n]
    probabilities = fit.probabilities(rest)
    if rule == "margin":
        from skactiveml.pool import uncertainty_scores
        from skactiveml.utils import simple_batch

        doubt = uncertainty_scores(probabilities, method="margin_sampling")
        chosen = simple_batch(doubt, random_state=int(rng.integers(2**31)), batch_size=min(n, len(rest)))
        return np.asarray(rest[chosen], dtype=np.intp)
    best = np.sort(probabilities, axis=1)
    return rest[choose_unsure(best[:, -1] - best[:, -2], pool.X[rest], n).rows]


def labels_needed(rule: str, pool: Pool, target: float, batch: int, seed: int) -> int:
    """Count the labels after which the model first reaches an accuracy."""
    rng = np.random.default_rng(seed)
    known = np.concatenate(
        [rng.permutation(np.flatnonzero(pool.labels == c))[:PER_CLASS] for c in range(pool.n_classes)]
    )
    fit = None
    while True:
        fit = pool.fit(known, fit)
        if fit.accuracy >= target or len(known) == len(pool):
            return len(known)
        rest = np.setdiff1d(np.arange(len(pool)), known)
        known = np.concatenate([known, asked(rule, pool, rest, fit, batch, rng)])


def first_photos(pool: Pool, seeds: int) -> dict[str, Any]:
    """Label the first photos where there is no model yet."""
    told: dict[str, Any] = {}
    for rule in ("spread", "random"):
        figures = []
        for seed in range(seeds):
            if rule == "spread":
                rows = choose_spread(pool.X, FIRST, seed).rows
            else:
                rows = np.random.default_rng(seed).permutation(len(pool))[:FIRST]
            figures.append((len(np.unique(pool.labels[rows])), pool.fit(rows).accuracy))
        classes, accuracies = np.array(figures).T
        told[rule] = {"classes": float(classes.mean()), "accuracy": float(accuracies.mean())}
        told[rule]["accuracy_se"] = float(accuracies.std(ddof=1) / np.sqrt(seeds))
    return told


def some(images: ImageSet, n: int, rng: np.random.Generator) -> ImageSet:
    """Draw n photos of more, at random."""
    return images if len(images) <= n else images.select(np.sort(rng.permutation(len(images))[:n]))


def has_scikit_activeml() -> bool:
    """Tell whether the other margin sampling is installed."""
    try:
        import skactiveml.pool  # noqa: F401
    except ImportError:
        return False
    return True


def main() -> None:
    """Label, count, print."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--limit", type=int, default=5000, help="photos without labels, of more")
    parser.add_argument("--test", type=int, default=2000, help="test photos, of more")
    parser.add_argument("--batch", type=int, default=5, help="labels between two fits")
    parser.add_argument("--seeds", type=int, default=10, help="two or more")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=RULES)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    images = open_images(args.data)
    if images.test is None:
        test = holdout_mask(images.labels, 0.2)
        parts = images.select(~test), images.select(test)
    else:
        parts = images.training, images.test
    seen = [
        averaged_features(some(part, size, rng), args.backbone, args.weights)
        for part, size in zip(parts, (args.limit, args.test), strict=True)
    ]
    X, labels = (np.concatenate([part[k] for part in seen]) for k in (0, 1))
    pool = Pool(X, labels, np.repeat([False, True], [len(part[1]) for part in seen]))
    best = pool.fit(np.arange(len(pool))).accuracy
    lines = [
        f"{len(pool)} photos of {pool.n_classes} classes; with all labels {best:.1%} on {len(seen[1][1])} "
        f"test photos; labels to {SHARE:.0%} of that ({SHARE * best:.1%}), in batches of {args.batch}:"
    ]
    rows = []
    for rule in args.rules:
        if rule == "margin" and not has_scikit_activeml():
            lines.append(
                "margin: left out, as scikit-activeml is not installed (pip install scikit-activeml)"
            )
            continue
        needed = [labels_needed(rule, pool, SHARE * best, args.batch, seed) for seed in range(args.seeds)]
        error = float(np.std(needed, ddof=1) / np.sqrt(len(needed)))
        rows.append({"rule": rule, "needed": needed, "mean": float(np.mean(needed)), "se": error})
        lines.append(f"{rule:<8} {np.mean(needed):6.0f} ± {error:.0f}")
    first = first_photos(pool, args.seeds)
    for rule, told in first.items():
        lines.append(
            f"first {FIRST} photos, {rule:<6}: {told['classes']:.1f} classes, accuracy "
            f"{told['accuracy']:.1%} ± {told['accuracy_se']:.1%}"
        )
    if args.json:
        lines = [json.dumps({"n": len(pool), "accuracy": best, "rows": rows, "first": first})]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
