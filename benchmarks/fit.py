"""From bits to predictions: the exact kernel and random features against scikit-learn's ridge classifiers.

    python benchmarks/fit.py [--json] [--train 5000] [--test 8000] [--large]

Ours start from bits and choose alpha by leave-one-out; scikit-learn's RidgeClassifier gets 120,000 random
features ready made (float32, no time counted for them) and one alpha, RidgeClassifierCV the same features
and five. All predict every test row. Each arm runs in a process of its own, so that its peak memory is its
own. The photos are toys, bits whose chance of being one depends on the class: time does not depend on it.

--large fits 50,000 rows of 16,384 bits, CIFAR-10's number of photos, within 8 GB beside nothing else.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

N_FEATURES, N_COMPONENTS, N_CLASSES = 81_536, 120_000, 10
DENSITY, CONTRAST = 0.3, 0.012  # of the bits; how far a class moves the chance of a bit
LARGE_ROWS, LARGE_FEATURES, LARGE_BYTES = 50_000, 16_384, 6 * 10**9
ALPHAS = (1e-2, 1e-1, 1.0, 1e1, 1e2)
Bits = NDArray[np.uint8]
Labels = NDArray[np.intp]


def toy_photos(n: int, m: int) -> tuple[Bits, Labels]:
    """Bits (n, m), 0 or 1, and their classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, N_CLASSES, n)
    chance = (DENSITY + CONTRAST * rng.standard_normal((N_CLASSES, m))).astype(np.float32)
    bits = np.empty((n, m), dtype=np.uint8)
    for start in range(0, n, 500):
        rows = slice(start, start + 500)
        bits[rows] = rng.random(bits[rows].shape, dtype=np.float32) < chance[labels[rows]]
    return bits, labels


def lightprobe_arm(folder: str, n_train: int, **options: Any) -> dict[str, Any]:
    """Fit OpticalRidge to bits and predict the test bits."""
    from lightprobe.head import OpticalRidge

    bits, labels = _load(folder)
    start = time.perf_counter()
    head = OpticalRidge(random_state=0, device="cpu", **options).fit(bits[:n_train], labels[:n_train])
    fitted = time.perf_counter()
    predicted = head.predict(bits[n_train:])
    return {
        "seconds": time.perf_counter() - start,
        "fit_seconds": fitted - start,
        "predict_seconds": time.perf_counter() - fitted,
        "test_accuracy": float((predicted == labels[n_train:]).mean()),
        "loo_accuracy": head.loo_accuracy_,
        "alphas_tried": len(head.alpha_path_),
        "plan": head.plan_,
    }


def scikit_learn_arm(folder: str, n_train: int, search: bool) -> dict[str, Any]:
    """Fit RidgeClassifier(CV) to ready-made random features and predict from ready-made ones."""
    from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV

    from lightprobe.optics import OpticalFeatures

    bits, labels = _load(folder)
    optics = OpticalFeatures(N_COMPONENTS, random_state=0, device="cpu").fit(bits[:n_train])
    features = optics.transform(bits[:n_train])
    mean, deviation = features.mean(), features.std()
    features -= mean  # so that single precision loses as little as it can
    features /= deviation
    alphas = np.multiply(ALPHAS, N_COMPONENTS)
    ridge = RidgeClassifierCV(alphas=alphas) if search else RidgeClassifier(N_COMPONENTS)
    start = time.perf_counter()
    ridge.fit(features, labels[:n_train])
    fit_seconds = time.perf_counter() - start
    predict_seconds, right = 0.0, 0
    for first in range(n_train, len(bits), 1000):  # a block at a time, so that memory is the fit's
        block = (optics.transform(bits[first : first + 1000]) - mean) / deviation
        start = time.perf_counter()
        predicted = ridge.predict(block)
        predict_seconds += time.perf_counter() - start
        right += int((predicted == labels[first : first + 1000]).sum())
    return {
        "seconds": fit_seconds + predict_seconds,
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
        "test_accuracy": right / (len(bits) - n_train),
    }


def in_own_process(arm: Callable[..., dict[str, Any]], *arguments: Any, **options: Any) -> dict[str, Any]:
    """Run an arm in a fresh process and add its peak resident memory."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, arm, arguments, options).result()


def _measured(
    arm: Callable[..., dict[str, Any]], arguments: tuple[Any, ...], options: dict[str, Any]
) -> dict[str, Any]:
    row = arm(*arguments, **options)
    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return row | {"peak_mb": info.peak_wset / 1e6}
    import resource

    kilobytes = 1 if sys.platform == "darwin" else 1000
    return row | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobytes / 1e6}


def _load(folder: str) -> tuple[Bits, Labels]:
    return np.load(Path(folder) / "bits.npy"), np.load(Path(folder) / "labels.npy")


def main() -> None:
    """Run the arms one after the other, each as often as asked, and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=int, default=5000)
    parser.add_argument("--test", type=int, default=8000)
    parser.add_argument("--repeats", type=int, default=1, help="times each arm runs; medians are reported")
    parser.add_argument("--large", action="store_true", help="50,000 rows instead, ours only")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ours = lightprobe_arm
    arms: dict[str, tuple[Callable[..., dict[str, Any]], dict[str, Any]]] = {
        "exact": (ours, {"components": "exact"}),
        "structured": (ours, {"components": N_COMPONENTS}),
        "structured_16384": (ours, {"components": 16_384}),
        "ridge_classifier": (scikit_learn_arm, {"search": False}),
        "ridge_classifier_cv": (scikit_learn_arm, {"search": True}),
    }
    n_train, n, m = arguments.train, arguments.train + arguments.test, N_FEATURES
    if arguments.large:
        arms = {"large": (ours, {"max_memory": LARGE_BYTES})}
        n_train, n, m = LARGE_ROWS, LARGE_ROWS + arguments.test, LARGE_FEATURES
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in arms}
    with tempfile.TemporaryDirectory() as folder:
        bits, labels = toy_photos(n, m)
        np.save(Path(folder) / "bits.npy", bits)
        np.save(Path(folder) / "labels.npy", labels)
        del bits
        for _ in range(arguments.repeats):
            for name, (arm, options) in arms.items():
                runs[name].append(in_own_process(arm, folder, n_train, **options))
                print(name, runs[name][-1], file=sys.stderr)
    result: dict[str, Any] = {"n_train": n_train, "n_test": arguments.test, "n_features": m}
    for name, rows in runs.items():
        middle = sorted(rows, key=lambda row: float(row["seconds"]))[len(rows) // 2]
        result[f"{name}_seconds"] = middle["seconds"]
        result[name] = middle
    if "exact" in arms:
        result["ratio"] = result["ridge_classifier_seconds"] / result["exact_seconds"]
        result["ratio_cv"] = result["ridge_classifier_cv_seconds"] / result["exact_seconds"]
    if arguments.json:
        print(json.dumps(result))
        return
    for name in arms:
        row = result[name]
        print(
            f"{name:20s} {row['seconds']:8.1f} s  (fit {row['fit_seconds']:.1f}, predict "
            f"{row['predict_seconds']:.1f})  peak {row['peak_mb']:7.0f} MB  test {row['test_accuracy']:.3f}"
        )
    if "ratio" in result:
        print(f"RidgeClassifier takes {result['ratio']:.1f} times as long as the exact kernel")
        print(f"RidgeClassifierCV takes {result['ratio_cv']:.1f} times as long as the exact kernel")


if __name__ == "__main__":
    main()
