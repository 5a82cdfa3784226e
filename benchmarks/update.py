"""Update a model, and fit afresh on the changed set: the same scores, in a fraction of the time.

    python benchmarks/update.py DATA [--json] [--backbone NAME] [--weights FILE]

One class and a tenth of the other training photos are held back. From the model of the rest, saved and
loaded: the tenth is added, a tenth is removed, a twentieth relabelled, the class added. Fitting afresh is
given the choices (pooling, encoding, kernel) and, in its own column, the features: "looking" is what the
network costs without a cache, as it was recorded. The feature cache is a temporary one.

Then a whole run with its report forgets a tenth of its photos, and every file of run and cache is searched
for their names, digests and features, before and after.
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightprobe.backbones import DEFAULT


@dataclass
class Case:
    """One change: arguments of `update`, and the photos and labels that it leads to."""

    name: str
    arguments: dict[str, Any]
    photos: Any


def cases(images: Any, start: Any, tenth: Any, new_class: Any, rng: np.random.Generator) -> list[Case]:
    """Make the four changes of the set `start`."""
    gone = rng.choice(start, len(start) // 10, replace=False)
    wrong = rng.choice(start, len(start) // 20, replace=False)
    relabelled = images.labels.copy()
    relabelled[wrong] = (relabelled[wrong] + 1) % (len(images.classes) - 1)
    names = {images.paths[i]: images.classes[relabelled[i]] for i in wrong}
    return [
        Case("add 10 %", {"add": pick(images, tenth)}, pick(images, [*start, *tenth])),
        Case(
            "remove 10 %",
            {"remove": [images.paths[i] for i in gone]},
            pick(images, [i for i in start if i not in set(gone)]),
        ),
        Case("relabel 5 %", {"relabel": names}, pick(images, start, relabelled)),
        Case("add a class", {"add": pick(images, new_class)}, pick(images, [*start, *new_class])),
    ]


def pick(images: Any, which: Any, labels: Any = None) -> Any:
    """Select some of the images, with no class that has none of them."""
    from lightprobe.images import ImageSet

    labels = images.labels if labels is None else labels
    return ImageSet.from_names(
        [images.paths[i] for i in which],
        [images.classes[labels[i]] for i in which],
        images.source,
        positions=[int(images.positions[i]) for i in which],
    )


def compare(case: Case, model: Path, fit: Callable[..., Any], test: Any) -> dict[str, Any]:
    """Update and fit afresh, in turn."""
    from lightprobe import load

    updated = load(model).set_params(device="cpu").update(**case.arguments)
    afresh = fit(case.photos)
    solving = sum(value for stage, value in afresh.seconds_.items() if stage != "features")
    ours, theirs = updated.predict_proba(test), afresh.predict_proba(test)
    return {
        "change": case.name,
        "n": afresh.n_train_,
        "update_s": updated.update_.seconds,
        "fit_s": solving,
        "looking_s": afresh.seconds_["features"],
        "ratio": (solving + afresh.seconds_["features"]) / updated.update_.seconds,
        "loo_difference": float(np.abs(updated.loo_scores_ - afresh.loo_scores_).max()),
        "probability_difference": float(np.abs(ours - theirs).max()),
    }


def forget(images: Any, start: Any, how: dict[str, Any], folder: Path, rng: np.random.Generator) -> Any:
    """Let a run forget a tenth of its photos, and count what is found of them before and after."""
    from lightprobe import ImageClassifier
    from lightprobe.photo_model import look
    from lightprobe.report import write_report
    from lightprobe.runs import train, update_saved

    model = ImageClassifier(**how)
    train(pick(images, start), model, folder / "run")
    write_report(folder / "run")
    gone = np.sort(rng.choice(len(start), len(start) // 10, replace=False))
    assert model.kept_ is not None
    kept = model.kept_.select(gone)
    looked = look(model.fitted, images.select(start).select(gone), model.runtime).matrices[
        model.fitted.tap_set
    ]
    marks = [name.encode() for name in kept.names] + kept.keys()
    marks += [row.tobytes() for rows in (kept.rows, looked) for row in rows]
    before = found(folder, marks)
    update_saved(folder / "run" / "model", remove=kept.names, device="cpu")
    return {"photos": len(gone), "marks": len(marks), "before": before, "after": found(folder, marks)}


def found(folder: Path, marks: list[bytes]) -> int:
    """Count the marks that stand in a file of a folder."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return sum(any(mark in content for content in contents) for mark in marks)


def main() -> None:
    """Run every change and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--backbone", default=DEFAULT)
    parser.add_argument("--weights")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIGHTPROBE_CACHE"] = f"{folder}/cache"
        from lightprobe import ImageClassifier
        from lightprobe.images import open_images

        every = open_images(args.data)
        images, tested = every.training, every.test
        rng = np.random.default_rng(0)
        last = len(images.classes) - 1
        others = rng.permutation(np.flatnonzero(images.labels != last))
        tenth, start = np.sort(others[: len(others) // 10]), np.sort(others[len(others) // 10 :])
        new_class = np.flatnonzero(images.labels == last)
        common: dict[str, Any] = {"backbone": args.backbone, "weights": args.weights, "device": "cpu"}
        first = ImageClassifier(**common).fit(pick(images, start))
        choice, model = first.choice_, first.save(f"{folder}/model")
        how: dict[str, Any] = {"pool": choice.taps.pool, "encode": choice.encode, "kernel": choice.kernel}
        test = (tested or images).select(np.arange(min(200, len(tested or images))))

        def fit(photos: Any) -> Any:
            precision: dict[str, Any] = {
                "precision": first.network_.precision,
                "engine": first.network_.engine,
            }
            return ImageClassifier(**common, **how, **precision).fit(photos)

        rows = [compare(case, model, fit, test) for case in cases(images, start, tenth, new_class, rng)]
        shutil.rmtree(model)
        forgotten = forget(images, start, {**common, **how}, Path(folder), rng)
    total = sum(first.seconds_.values())
    if args.json:
        print(json.dumps({"choice": str(choice), "train_s": total, "rows": rows, "forgotten": forgotten}))
        return
    print(f"{args.backbone}, {choice}; {len(start)} photos, every choice open: {total:.1f} s")
    print(f"{'change':<12} {'n':>6} {'update':>8} {'fit':>8} {'looking':>8} {'ratio':>7}  largest difference")
    for row in rows:
        print(
            f"{row['change']:<12} {row['n']:>6} {row['update_s']:>7.2f}s {row['fit_s']:>7.2f}s "
            f"{row['looking_s']:>7.2f}s {row['ratio']:>6.1f}×  {row['loo_difference']:.1e} in left-out "
            f"scores, {row['probability_difference']:.1e} in probabilities"
        )
    print(
        f"a run that forgets {forgotten['photos']} photos: of {forgotten['marks']} names, digests and rows "
        f"of features, {forgotten['before']} stood in run and cache before, {forgotten['after']} after"
    )


if __name__ == "__main__":
    main()
