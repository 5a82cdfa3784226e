"""Tell photos of classes that the model was never shown: `predict`'s novelty beside a probe's confidence.

    python benchmarks/unknown.py DATA [--backbone NAME] [--weights FILE] [--ask 200] [--json]

Each class in turn is kept from training. The model is then asked, as `lightprobe predict` asks, about known
photos that it was not trained on (the test split, or a stratified fifth) and about photos of that class, both
at most as many as --ask says. AUROC is the chance that a photo of the unknown class looks more novel than a
known one. Beside it, one minus the largest probability of a logistic regression on the same features (average
pooled, length one; scikit-learn, C by three-fold cross-validation). `rejected` are the known photos, `caught`
the unknown ones that `--unknown 0.05` calls unknown.
"""

import argparse
import json
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV

from common import photo_arguments
from lightprobe import ImageClassifier
from lightprobe.images import ImageSet, holdout_mask, open_images
from lightprobe.optics import ENCODERS
from lightprobe.photo_model import look

RATE = 0.05
C_GRID = (3.0, 30.0, 300.0)


def without(images: ImageSet, name: str) -> ImageSet:
    """Return the photos of the other classes."""
    away = list(images.classes).index(name)
    rest = images.select(images.labels != away)
    classes = tuple(other for other in images.classes if other != name)
    return replace(rest, labels=rest.labels - (rest.labels > away), classes=classes)


def some(images: ImageSet, n: int) -> ImageSet:
    """Return at most n photos, drawn at random."""
    drawn = np.random.default_rng(0).permutation(len(images))[:n]
    return images.select(np.sort(drawn))


def asked(model: ImageClassifier, images: ImageSet) -> tuple[NDArray[np.float64], float]:
    """Return the novelty of each photo, and the share that is called unknown."""
    answers = list(model.iter_predictions(images, unknown=RATE))
    novelty = [answer.novelty for answer in answers if answer.novelty is not None]
    return np.array(novelty), float(np.mean([answer.unknown for answer in answers]))


def unsureness(model: ImageClassifier, train: ImageSet, *others: ImageSet) -> list[NDArray[np.float64]]:
    """Return 1 − max p of a logistic regression on what the model sees, for each set of photos."""

    def seen(images: ImageSet) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        features = look(model.fitted, images, model.runtime)
        rows = features.matrices[model.fitted.tap_set].astype(np.float32)
        return ENCODERS["l2"](rows), images.labels[features.kept]

    probe = GridSearchCV(LogisticRegression(max_iter=1000), {"C": C_GRID}, cv=3).fit(*seen(train))
    return [1 - probe.predict_proba(seen(images)[0]).max(axis=1) for images in others]


def measure(train: ImageSet, test: ImageSet, name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Keep one class from training, and ask about it."""
    known, strange = some(without(test, name), args.ask), some(without_others(train, test, name), args.ask)
    model = ImageClassifier(args.backbone, weights=args.weights, pool="avg", encode="l2", kernel="optical")
    model.fit(without(train, name))
    (of_known, rejected), (of_strange, caught) = asked(model, known), asked(model, strange)
    sure = unsureness(model, without(train, name), known, strange)
    return {
        "unknown": name,
        "novelty": auroc(of_known, of_strange),
        "max_softmax": auroc(*sure),
        "rejected": rejected,
        "caught": caught,
    }


def without_others(train: ImageSet, test: ImageSet, name: str) -> ImageSet:
    """Return the photos of one class: those of the test, or where these are few, of training."""
    label = list(train.classes).index(name)
    held = test.select(test.labels == label)
    return held if len(held) >= 100 else train.select(train.labels == label)


def auroc(known: NDArray[np.float64], strange: NDArray[np.float64]) -> float:
    """Chance that a strange photo has the larger value."""
    truth = np.repeat([0, 1], [len(known), len(strange)])
    return float(roc_auc_score(truth, np.concatenate([known, strange])))


def main() -> None:
    """Leave each class out, print."""
    parser = photo_arguments(__doc__)
    parser.add_argument("--ask", type=int, default=200, help="photos to ask about, known and unknown each")
    args = parser.parse_args()
    images = open_images(args.data)
    if images.test is None:
        held = holdout_mask(images.labels, 0.2)
        images = replace(images, splits=np.where(held, "test", "train"))
    train, test = images.training, images.test
    assert test is not None
    rows = []
    for name in images.classes:
        rows.append(measure(train, test, name, args))
        if not args.json:
            print({k: v if isinstance(v, str) else round(v, 3) for k, v in rows[-1].items()}, flush=True)
    summary = {key: float(np.mean([row[key] for row in rows])) for key in list(rows[0])[1:]}
    if args.json:
        print(json.dumps({"rows": rows, "summary": summary}))
        return
    print("\n| unknown class | novelty | max softmax | known called unknown | unknown called so |")
    print("|---|---|---|---|---|")
    for row in [*rows, {"unknown": "mean", **summary}]:
        shares = f"{row['rejected']:.1%} | {row['caught']:.1%}"
        print(f"| {row['unknown']} | {row['novelty']:.3f} | {row['max_softmax']:.3f} | {shares} |")


if __name__ == "__main__":
    main()
