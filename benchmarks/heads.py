"""Heads on the same features: ours beside scikit-learn's, and beside vyntri's, the nearest rival.

    python benchmarks/heads.py DATA [--sizes 200,1500] [--splits 5] [--vyntri PYTHON] [--flatten] [--json]

Averaged features of one network, of length one (vyntri takes them as they are, which is its way). For each
size and split so many photos, drawn at random, are learned from, and of the others 2,000 are asked about:

- ours: what `train` compares, chosen by leave-one-out
- logistic regression, C by three-fold cross-validation
- ridge, its penalty by leave-one-out (RidgeClassifierCV)
- linear discriminants with Ledoit and Wolf's shrinkage
- SVM with an RBF kernel, C and gamma by three-fold cross-validation
- vyntri (PyPI, MIT): Fukunaga-Koontz projection with its default shrinkage, then ridge; by the interpreter of
  a virtual environment of its own, `--vyntri PYTHON`
- ours with positions kept apart (`--flatten`), as a candidate beside averages

Printed are mean accuracy, the mean of the paired differences to ours with its standard error over splits, and
seconds to fit and answer.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from common import photo_arguments
from lightprobe.backbones import Tap, create_backbone
from lightprobe.features import TapSet, compile_for, extract
from lightprobe.head import HeadOptions
from lightprobe.images import open_images
from lightprobe.optics import ENCODERS
from lightprobe.runtime import Runtime
from lightprobe.selection import choices, select

Features = dict[TapSet, NDArray[np.float16]]
Labels = NDArray[np.int64]

MOST_ASKED = 2000
VYNTRI = """
import json, sys, time
import numpy as np
from vyntri.adaptation import AnalyticRidge, make_projection
from vyntri.config import Config
data = np.load(sys.argv[1])
config = Config()
start = time.perf_counter()
classes = len(np.unique(data["y"]))
dim = config._resolved_projection_dim(data["X"].shape[1], classes)
projection = make_projection(config.adaptation, dim, config.floor_ratio, config.eigenvalue_floor,
                             config.shrinkage, config.shrinkage_alpha)
projection.fit(data["X"], data["y"])
head = AnalyticRidge(lambda_reg=config.regularization).fit(projection.transform(data["X"]), data["y"])
answers = head.predict(projection.transform(data["asked"]))
print(json.dumps({"answers": answers.tolist(), "seconds": time.perf_counter() - start}))
"""


def look(args: argparse.Namespace) -> tuple[Features, Labels]:
    """Features of all photos, averaged and, where they are asked for, with positions kept apart."""
    images, runtime = open_images(args.data), Runtime(progress=not args.json)
    network = create_backbone(args.backbone, weights=args.weights)
    taps = [Tap(network.cut, "avg"), *([Tap(network.cut, "flatten")] if args.flatten else [])]
    compiled, _ = compile_for(images, network, taps, runtime)
    seen = extract(images, compiled, runtime)
    return {TapSet.of(tap): seen.matrices[tap] for tap in taps}, images.labels[seen.kept]


def ours(train: Features, y: Labels, asked: Features) -> NDArray[np.intp]:
    """Answer as `train` does with everything left at auto."""
    found = select(train, y, choices(train, "auto", "auto"), HeadOptions())
    rows = ENCODERS[found.choice.encode](asked[found.choice.taps])
    return np.asarray(found.head.scores(rows).argmax(axis=1))


def theirs(model: Any) -> Callable[[Features, Labels, Features], NDArray[np.intp]]:
    """Answer with an estimator of scikit-learn's."""

    def answer(train: Features, y: Labels, asked: Features) -> NDArray[np.intp]:
        rows, others = (next(iter(some.values())).astype(np.float32) for some in (train, asked))
        rows, others = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in (rows, others))
        return np.asarray(model.fit(rows, y).predict(others))

    return answer


def by_vyntri(python: str) -> Callable[[Features, Labels, Features], NDArray[np.intp]]:
    """Answer with vyntri, in its own environment."""

    def answer(train: Features, y: Labels, asked: Features) -> NDArray[np.intp]:
        rows, others = (next(iter(some.values())).astype(np.float32) for some in (train, asked))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "features.npz"
            np.savez(file, X=rows, y=y, asked=others)
            said = subprocess.run(
                [python, "-c", VYNTRI, str(file)], capture_output=True, text=True, check=True
            ).stdout
        return np.asarray(json.loads(said.splitlines()[-1])["answers"])

    return answer


def heads(args: argparse.Namespace) -> dict[str, Callable[[Features, Labels, Features], NDArray[np.intp]]]:
    """Name the heads."""
    logistic = GridSearchCV(LogisticRegression(max_iter=1000), {"C": (3.0, 30.0, 300.0)}, cv=3)
    svm = GridSearchCV(SVC(), {"C": (1.0, 10.0, 100.0), "gamma": (0.5, 1.0, 2.0, 4.0)}, cv=3)
    found = {
        "ours": ours,
        "logistic regression": theirs(logistic),
        "ridge": theirs(RidgeClassifierCV(alphas=np.logspace(-4, 2, 13))),
        "discriminants": theirs(LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
        "SVM": theirs(svm),
    }
    if args.vyntri:
        found["vyntri"] = by_vyntri(args.vyntri)
    return found


def measure(features: Features, y: Labels, size: int, split: int, args: argparse.Namespace) -> dict[str, Any]:
    """Accuracy and seconds of each head on one draw."""
    order = np.random.default_rng(split).permutation(len(y))
    learned, asked = order[:size], order[size : size + MOST_ASKED]
    classes = np.unique(y[learned])
    asked = asked[np.isin(y[asked], classes)]
    labels = np.searchsorted(classes, y)
    averaged = {taps: X for taps, X in features.items() if taps.pool == "avg"}
    tried = {name: (head, averaged) for name, head in heads(args).items()}
    if args.flatten:
        tried["ours, flattened, too"] = (ours, features)
    row: dict[str, Any] = {"size": size, "split": split}
    for name, (head, seen) in tried.items():
        start = time.perf_counter()
        answers = head(
            {taps: X[learned] for taps, X in seen.items()},
            labels[learned],
            {taps: X[asked] for taps, X in seen.items()},
        )
        row[name] = {
            "accuracy": float((answers == labels[asked]).mean()),
            "seconds": time.perf_counter() - start,
        }
    return row


def main() -> None:
    """Look once, draw, fit, print."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--sizes", default="200,1500")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--vyntri", metavar="PYTHON")
    parser.add_argument("--flatten", action="store_true")
    args = parser.parse_args()
    features, y = look(args)
    sizes = [int(size) for size in args.sizes.split(",") if int(size) < len(y)]
    rows = [measure(features, y, size, split, args) for size in sizes for split in range(args.splits)]
    if args.json:
        print(json.dumps({"rows": rows}))
        return
    print("| photos | head | accuracy | behind ours, points | seconds |")
    print("|---|---|---|---|---|")
    for size in sizes:
        some = [row for row in rows if row["size"] == size]
        for name in [key for key in some[0] if key not in ("size", "split")]:
            accuracy, seconds = (
                np.array([row[name][what] for row in some]) for what in ("accuracy", "seconds")
            )
            behind = 100 * (np.array([row["ours"]["accuracy"] for row in some]) - accuracy)
            error = behind.std(ddof=1) / len(behind) ** 0.5 if len(behind) > 1 else float("nan")
            lost = "" if name == "ours" else f"{behind.mean():+.1f} ± {error:.1f}"
            print(f"| {size:,} | {name} | {accuracy.mean():.1%} | {lost} | {seconds.mean():.2f} |")


if __name__ == "__main__":
    main()
