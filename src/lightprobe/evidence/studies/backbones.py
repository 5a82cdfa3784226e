"""Several networks on the same photos, and their kernels added: "combine multiple models" of the first text.

The kernel of several networks is Σ K_i / s_i with s_i = tr(K_i,c)/n, so that each weighs the same. It is
solved like any other kernel; no photo is looked at again.
"""

import time
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import OptionError
from lightprobe.evidence.runs import peak_rss_mb
from lightprobe.evidence.studies.study import Configuration, Options, Study
from lightprobe.evidence.studies.workbench import Look, Row, Workbench, test_figures
from lightprobe.optics import ENCODERS, KERNELS, sum_kernels
from lightprobe.ridge import RidgeFit, identical_rows, joined_groups, solve_dual
from lightprobe.selection import Choice

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """One network's kernel, between the training photos and of the test photos against them."""

    look: Look
    choice: Choice
    train: Floats
    test: Floats | None
    copies: NDArray[np.intp]
    seconds: float


@dataclass(frozen=True)
class Right:
    """Which photos a fit gets right, left out and in the test."""

    fit: RidgeFit
    left_out: NDArray[np.bool_]
    test: NDArray[np.bool_] | None


def configurations(bench: Workbench, options: Options) -> list[Configuration]:
    """List each network alone, each pair, and all."""
    del bench
    networks = options.networks
    if len(networks) < 2:
        raise OptionError(
            "The study of backbones needs two networks or more: give --networks NAME[=FILE],NAME…"
        )
    sizes = sorted({1, 2, len(networks)})
    return [{"networks": [list(n) for n in some]} for size in sizes for some in combinations(networks, size)]


def measure(bench: Workbench, configuration: Configuration) -> Row:
    """Fit on the sum of the networks' kernels; beside it, what the best of them gives alone."""
    seen = [_see(bench, name, weights) for name, weights in configuration["networks"]]
    start = time.perf_counter()
    together = _fit(bench, seen)
    fit_seconds = time.perf_counter() - start
    looks = [one.look for one in seen]
    seconds = {
        "features": sum(look.train.seconds for look in looks),
        "project": sum(one.seconds for one in seen),
        "fit": fit_seconds,
    }
    facts = [bench.facts(one.look, one.choice) for one in seen]
    row = {
        **facts[0],
        **{
            key: " + ".join(dict.fromkeys(str(f[key]) for f in facts))
            for key in ("backbone", "cut", "image_size", "precision", "engine")
        },
        "weight_bytes": sum(f["weight_bytes"] for f in facts),
        "components": "exact",
        "alpha": together.fit.alpha,
        "alpha_relative": together.fit.alpha_relative,
        "n_train": len(looks[0].labels),
        "loo_accuracy": float(together.left_out.mean()),
        **test_figures(together.test),
        "peak_rss_mb": peak_rss_mb(),
        "seconds": {**seconds, "total": sum(seconds.values())},
    }
    return row | (_gain(bench, seen, together) if len(seen) > 1 else {})


def _see(bench: Workbench, name: str, weights: str | None) -> Seen:
    backbone = bench.backbone(name=name, weights=weights, cut=None)
    choice = bench.choice(backbone)
    look = bench.look(backbone, [choice.tap])
    start = time.perf_counter()
    X = ENCODERS[choice.encode](look.train.matrices[choice.tap])
    kernel = KERNELS[choice.kernel]
    test = None if look.test is None else kernel(ENCODERS[choice.encode](look.test.matrices[choice.tap]), X)
    return Seen(look, choice, kernel(X), test, identical_rows(X), time.perf_counter() - start)


def _fit(bench: Workbench, seen: list[Seen]) -> Right:
    look, copies = seen[0].look, seen[0].copies
    groups = copies if look.groups is None else joined_groups(look.groups, copies)
    n_classes = len(bench.images.classes)
    Y = np.where(look.labels[:, None] == np.arange(n_classes), 1.0, -1.0)
    kernel, scales = sum_kernels([one.train for one in seen])
    alpha = bench.settings.alpha
    relative = None if isinstance(alpha, str) else float(alpha)
    fit = solve_dual(kernel, Y, alpha_relative=relative, groups=groups, overwrite_K=True)
    tests = [one.test for one in seen if one.test is not None]
    right = None
    if tests:
        scores = sum_kernels(tests, scales)[0] @ fit.coef + fit.intercept
        right = scores.argmax(axis=1) == look.test_labels
    return Right(fit, fit.loo_scores.argmax(axis=1) == look.labels, right)


def _gain(bench: Workbench, seen: list[Seen], together: Right) -> Row:
    """Compare with the network that is best alone by leave-one-out, photo by photo."""
    alone = [_fit(bench, [one]) for one in seen]
    best = max(range(len(seen)), key=lambda i: alone[i].left_out.mean())
    row: Row = {"against": seen[best].look.network.backbone.name}
    for name, ours, theirs in (
        ("loo", together.left_out, alone[best].left_out),
        ("test", together.test, alone[best].test),
    ):
        if ours is not None and theirs is not None:
            row[f"{name}_gain"], row[f"{name}_gain_se"] = paired_gain(ours, theirs)
    return row


def paired_gain(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> tuple[float, float]:
    """Difference of two accuracies on the same n photos, and its standard error.

    (b − c)/n and √(b + c − (b − c)²/n)/n, where b photos are right only by the first, c only by the second.
    """
    n, b, c = len(ours), int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return (b - c) / n, float(np.sqrt(b + c - (b - c) ** 2 / n)) / n


STUDY = Study("several networks on the same photos, and their kernels added", configurations, measure)
