"""Tell photos of classes that the model was never shown, and pictures of nothing: `predict`'s novelty.

    python benchmarks/unknown.py DATA [--backbone NAME] [--weights FILE] [--ask 200] [--limit N] [--classes N]
        [--json]

Each class in turn (or --classes N of them, drawn at random) is kept from training. The model is then asked
about known photos that it was not trained on (the test split, or a stratified fifth) and about photos of that
class, both at most as many as --ask says. AUROC is the chance that a photo of the unknown class looks more
novel than a known one; its standard error is that of 200 bootstrap samples of the photos asked. Beside
novelty, on the same features (average pooled, length one):

- knn: one minus the cosine to the fifth nearest training photo (Sun et al. 2022);
- mahalanobis: the distance from the nearest class's mean, with one covariance, shrunk by Ledoit and Wolf's
  rule (Lee et al. 2018);
- max softmax: one minus the largest probability of a logistic regression (scikit-learn, C = 30).

`rejected` are the known photos, `caught` the unknown ones, `nothing` the test patterns and noise that
`--unknown 0.05` calls unknown; `scores` is the AUROC of a model that keeps no features.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from common import photo_arguments
from lightprobe import OpticalRidge
from lightprobe.backbones import Backbone, Tap, create_backbone
from lightprobe.features import compile_for, extract
from lightprobe.head import Novelty, Scorer
from lightprobe.images import ImageSet, holdout_mask, open_images
from lightprobe.optics import ENCODERS
from lightprobe.runtime import Runtime

RATE = 0.05
BOOTSTRAPS = 200
METHODS = ("novelty", "scores", "knn", "mahalanobis", "max softmax")
Rows = NDArray[np.float32]
Labels = NDArray[np.int64]
Floats = NDArray[np.float64]


def pictures_of_nothing(side: int = 224) -> NDArray[np.uint8]:
    """Draw noise of cameras, bars, stripes, squares, gradients and plain grey, (n, side, side, 3)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    pictures: list[NDArray[Any]] = []
    for i in range(8):
        pictures += [
            rng.integers(0, 256, (side, side, 3)),
            np.clip(128 + rng.normal(0, 20 + 10 * i, (side, side, 3)), 0, 255),
            np.clip(np.abs(rng.normal(0, 6 + 2 * i, (side, side, 3))), 0, 255),
            np.repeat((((x // (4 << i % 5)) + (y // (4 << i % 5))) % 2 * 255)[..., None], 3, axis=2),
            np.repeat((((x if i % 2 else y) // (3 + 4 * i)) % 2 * 255)[..., None], 3, axis=2),
            (np.array([1, 2, 4]) & ((x * 8 // side + i) % 8)[..., None] > 0) * 255,
            np.stack([x * (255 / side), y * (255 / side), np.full((side, side), 32 * i)], axis=2),
            np.full((side, side, 3), 32 * i),
        ]
    return np.stack(pictures).astype(np.uint8)


def seen(images: ImageSet, network: Backbone) -> tuple[Rows, Labels, NDArray[np.int64]]:
    """Return averaged features of length one, labels, and which photos could be decoded."""
    tap, runtime = Tap(network.cut, "avg"), Runtime(progress=True)
    compiled, _ = compile_for(images, network, [tap], runtime)
    features = extract(images, compiled, runtime)
    X = np.asarray(ENCODERS["l2"](features.matrices[tap].astype(np.float32)), dtype=np.float32)
    return X, images.labels[features.kept], features.kept


def fifth_nearest(asked: Rows, X: Rows) -> Floats:
    """Cosine to the fifth nearest training row."""
    return np.asarray(np.partition(asked @ X.T, -5, axis=1)[:, -5], dtype=np.float64)


def mahalanobis(asked: Rows, X: Rows, y: Labels) -> Floats:
    """Squared distance from the nearest class's mean."""
    means = np.stack([X[y == label].mean(axis=0) for label in range(y.max() + 1)])
    precision = np.linalg.inv(ledoit_wolf(X - means[y])[0])
    own = np.einsum("nm,nm->n", asked @ precision, asked)
    cross = asked @ precision @ means.T
    return np.asarray(
        (own[:, None] - 2 * cross + np.einsum("cm,cm->c", means @ precision, means)).min(axis=1)
    )


def measure(X: Rows, y: Labels, asked: tuple[Rows, ...]) -> list[dict[str, Floats]]:
    """Say how novel rows are, by each method; `asked` are several sets of rows."""
    head = OpticalRidge().fit(X, y).fitted_
    novelty = Novelty.of(head, y, np.arange(len(y)), X)
    alone = Novelty.of(head, y, np.arange(len(y)))
    probe = LogisticRegression(C=30, max_iter=1000).fit(X, y)
    score, by_scores = Scorer(head, novelty, X), Scorer(head, alone)
    return [
        {
            "novelty": score(rows).novelty,
            "scores": by_scores(rows).novelty,
            "knn": 1 - fifth_nearest(rows, X),
            "mahalanobis": mahalanobis(rows, X, y),
            "max softmax": 1 - probe.predict_proba(rows).max(axis=1),
        }
        for rows in asked
    ]


def auroc(known: Floats, strange: Floats) -> float:
    """Chance that a strange photo has the larger value."""
    truth = np.repeat([0, 1], [len(known), len(strange)])
    return float(roc_auc_score(truth, np.concatenate([known, strange])))


def bootstrap_error(known: Floats, strange: Floats) -> float:
    """Estimate the standard error of the AUROC over samples of the photos."""
    rng = np.random.default_rng(0)
    draws = [
        auroc(rng.choice(known, len(known)), rng.choice(strange, len(strange))) for _ in range(BOOTSTRAPS)
    ]
    return float(np.std(draws))


def main() -> None:
    """Leave classes out, print."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--ask", type=int, default=200, help="photos to ask about, known and unknown each")
    parser.add_argument("--limit", type=int, help="training photos drawn at random, of more")
    parser.add_argument("--classes", type=int, help="classes that are kept from training, drawn at random")
    args = parser.parse_args()
    images = open_images(args.data)
    network = create_backbone(args.backbone, weights=args.weights)
    rng = np.random.default_rng(0)
    test = np.zeros(len(images), bool) if images.splits is None else images.splits == "test"
    if not test.any():
        test = holdout_mask(images.labels, 0.2)
    if args.limit:
        some = [rng.permutation(np.flatnonzero(part))[: args.limit] for part in (test, ~test)]
        chosen = np.sort(np.concatenate(some))
        images, test = images.select(chosen), test[chosen]
    X, y, kept = seen(images, network)
    test = test[kept]
    nothing = pictures_of_nothing()
    odd = seen(open_images((nothing, np.zeros(len(nothing), np.int64))), network)[0]
    rows = []
    for label in rng.permutation(np.unique(y))[: args.classes]:
        train = np.flatnonzero(~test & (y != label))
        known = rng.permutation(np.flatnonzero(test & (y != label)))[: args.ask]
        strange = rng.permutation(np.flatnonzero(y == label))[: args.ask]
        targets = np.unique(y[train], return_inverse=True)[1]
        of_known, of_strange, of_odd = measure(X[train], targets, (X[known], X[strange], odd))
        row: dict[str, Any] = {"unknown": images.classes[label]}
        row |= {name: auroc(of_known[name], of_strange[name]) for name in METHODS}
        row["error"] = bootstrap_error(of_known["novelty"], of_strange["novelty"])
        for name, answers in (("rejected", of_known), ("caught", of_strange), ("nothing", of_odd)):
            row[name] = float((answers["novelty"] >= 1 - RATE).mean())
        rows.append(row)
        if not args.json:
            print({k: v if isinstance(v, str) else round(v, 3) for k, v in row.items()}, flush=True)
    summary = {key: float(np.mean([row[key] for row in rows])) for key in list(rows[0])[1:]}
    if args.json:
        print(json.dumps({"rows": rows, "summary": summary}))
        return
    shown = [*METHODS, "error", "rejected", "caught", "nothing"]
    print(f"\n| unknown class | {' | '.join(shown)} |\n|{'---|' * (len(shown) + 1)}")
    for row in [*rows, {"unknown": "mean", **summary}]:
        print(f"| {row['unknown']} | {' | '.join(f'{row[name]:.3f}' for name in shown)} |")


if __name__ == "__main__":
    main()
