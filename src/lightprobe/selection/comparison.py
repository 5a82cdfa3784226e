"""Which features, encoding and kernel to use: every candidate is scored by leave-one-out, from one pass.

The winner has the highest leave-one-out accuracy, except that a cheaper candidate within one standard error
of it is preferred. Both are scored on the same photos, so the standard error is that of their difference d,

    SE = √(Σ_g (Σ_{i∈g} w_i (d_i − d))²) / Σ_i w_i

over the units g that were left out whole: photos, or groups of photos, whose members err together. With one
photo a unit and weights of one it is √(b + c − (b − c)²/n) / n, where b photos are right only by one and c
only by the other (McNemar's counts). Weights are those of the classes.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from tqdm import tqdm

from lightprobe.backbones import Tap
from lightprobe.errors import OptionError, ResourceError
from lightprobe.head import OpticalRidge
from lightprobe.optics import ENCODERS, linear_kernel
from lightprobe.ridge import DegenerateKernelError
from lightprobe.selection.candidates import Candidate, Choice
from lightprobe.selection.optimism import optimism

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """The outcome of a comparison.

    Attributes
    ----------
    candidates : list of Candidate
        The winner first, then by leave-one-out accuracy; those that were dropped last.
    choice : Choice
        The winner.
    head : OpticalRidge
        Fitted with it.
    seconds : dict of str to float
        Seconds spent on `generate`, `encode`, `project` and `fit`, all candidates together.
    optimism : float
        What the winner's leave-one-out accuracy owes to having been chosen by it, see `optimism`.
    """

    candidates: list[Candidate]
    choice: Choice
    head: OpticalRidge
    seconds: dict[str, float]
    optimism: float


def select(
    features: Mapping[Tap, NDArray[np.float16]],
    labels: NDArray[np.int64],
    wanted: Sequence[Choice],
    head: OpticalRidge,
    *,
    groups: NDArray[np.generic] | None = None,
    multiplications: Mapping[Tap, int] | None = None,
    progress: bool = False,
) -> Selection:
    """Fit every choice, compare them by leave-one-out, and return the winner fitted.

    Parameters
    ----------
    features : dict of Tap to ndarray, shape (n_samples, n_features)
        One matrix a tap.
    labels : ndarray of int64, shape (n_samples,)
        Classes.
    wanted : sequence of Choice
        What to try, cheaper first.
    head : OpticalRidge
        An unfitted head; its kernel is replaced by each choice's. With class weights, accuracies are
        weighed by them.
    groups : ndarray, shape (n_samples,), optional
        Photos of one group are left out together.
    multiplications : dict of Tap to int, optional
        What a photo takes up to each tap, where they differ: a part of the candidates' cost.
    progress : bool
        Draw a bar on stderr.

    Raises
    ------
    OptionError
        If no choice can be used.
    """
    tried: list[Candidate] = []
    heads: dict[Choice, OpticalRidge] = {}
    seconds = dict.fromkeys(("generate", "encode", "project", "fit"), 0.0)
    units = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    weights = np.ones(len(labels))

    def contenders() -> list[Candidate]:
        return _contenders(tried, weights, units)

    with tqdm(total=len(wanted), unit="candidate", desc="Comparing", disable=not progress) as bar:
        for (tap, encode), group in groupby(wanted, key=lambda choice: (choice.tap, choice.encode)):
            start = time.perf_counter()
            encoded = ENCODERS[encode](features[tap])
            seconds["encode"] += time.perf_counter() - start
            # The kernels of one encoding are functions of the same inner products.
            products = cache(partial(linear_kernel, encoded, device=head.torch_device))
            for choice in group:
                fitted, reason = _try(choice, encoded, labels, head, groups, products)
                if fitted is None:
                    tried.append(Candidate(choice, dropped=reason))
                else:
                    before = (multiplications or {}).get(choice.tap, 0)
                    tried.append(Candidate.scored(choice, fitted, labels, before))
                    weights = fitted.class_weight_[labels]
                    heads[choice] = fitted
                    for stage, value in fitted.seconds_.items():
                        seconds[stage] += value
                # Heads hold their training features: only those that can still win are kept.
                heads = {c.choice: heads[c.choice] for c in contenders() if c.choice in heads}
                bar.update()
    if not any(c.loo_accuracy is not None for c in tried):
        reasons = "; ".join(f"{c.choice}: {c.dropped}" for c in tried)
        raise OptionError(f"None of the {len(tried)} ways to use these features works ({reasons}).")
    winner = min(contenders(), key=lambda c: c.cost)
    if winner.choice not in heads:
        encoded = ENCODERS[winner.choice.encode](features[winner.choice.tap])
        heads[winner.choice] = (
            clone(head).set_params(kernel=winner.choice.kernel).fit(encoded, labels, groups=groups)
        )
    scored = [c for c in tried if c.loo_accuracy is not None]
    too_good = optimism(np.array([c.correct for c in scored]), [c.cost for c in scored], weights, units)
    tried.sort(key=lambda c: (c is not winner, -_accuracy(c, weights)))
    return Selection(tried, winner.choice, heads[winner.choice], seconds, too_good)


def _try(
    choice: Choice,
    encoded: NDArray[Any],
    labels: NDArray[np.int64],
    head: OpticalRidge,
    groups: NDArray[np.generic] | None,
    products: Callable[[], NDArray[np.float64]],
) -> tuple[OpticalRidge | None, str]:
    """Fit a choice, or say why it cannot be used."""
    try:
        fitted = (
            clone(head)
            .set_params(kernel=choice.kernel)
            .fit(encoded, labels, groups=groups, products=products)
        )
    except (DegenerateKernelError, ResourceError) as error:
        logger.info("%s: dropped, %s", choice, error)
        return None, str(error)
    logger.info("%s: leave-one-out %.2f %%", choice, 100 * fitted.loo_accuracy_)
    return fitted, ""


def _contenders(
    tried: Sequence[Candidate], weights: NDArray[np.float64], units: NDArray[np.intp]
) -> list[Candidate]:
    """Candidates within one standard error of the best one."""
    scored = [c for c in tried if c.loo_accuracy is not None]
    if not scored:
        return []
    best = max(scored, key=lambda c: _accuracy(c, weights))
    return [c for c in scored if _within_one_error(c, best, weights, units)]


def _accuracy(candidate: Candidate, weights: NDArray[np.float64]) -> float:
    """Share of the weight that is right; below every share for a candidate without a score."""
    return float(np.average(candidate.correct, weights=weights)) if len(candidate.correct) else -1.0


def _within_one_error(
    candidate: Candidate, best: Candidate, weights: NDArray[np.float64], units: NDArray[np.intp]
) -> bool:
    """Tell whether two accuracies on the same photos differ by no more than their difference's error."""
    lost = best.correct.astype(float) - candidate.correct
    mean = np.average(lost, weights=weights)
    sums = np.bincount(units, weights=weights * (lost - mean))
    return bool(mean <= np.sqrt(np.square(sums).sum()) / weights.sum())
