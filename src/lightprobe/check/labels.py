"""Labels that look wrong, with a calibrated chance that they are.

A label y is taken for the true one t with chance 1 − ε, or any other of the C classes. With scores s(x) by
leave-one-out, of a photo that the fit has not seen,

    p(t | x) = softmax(β s(x)),      P(t, y | x) = p(t | x) · (1 − ε if t = y else ε / (C − 1))
    P(t | x, y) = P(t, y | x) / Σ_t P(t, y | x),      P(wrong | x, y) = 1 − P(y | x, y)

β and ε are those of greatest likelihood of all labels, with a weak prior ε (1 − ε)²⁰, so the share of wrong
labels is estimated, not asked for. Then P(t | x, y) takes the place of the labels as targets, ridge is solved
once more for these, from the same factor, and the chances are taken from that: wrong labels mislead their
neighbours less. By way of what these were taken for, a photo's own label has a small part in its second
score, and ε would come out too low: it stays as the first scores have it.

Where photos of one class are given the label of one other time and again, their share takes the place of
ε / (C − 1) for that pair of classes, in both fits: see `transition`. What no model of the scores can see are
wrong labels that look right, such as those of photos that look more like the other class.

The kernel is the optical one of degree 3 (what |xR|⁶ would give), sharper than that of degree 1: a photo is
judged by what is nearer to it. The penalty is the one of least squared error on a quarter of the photos, from
a thousand on; the error is smoother in the penalty than accuracy is, so fewer photos tell it. Beyond some
thousands photos are dealt into parts, each judged by itself, so that no kernel grows with their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import ceil, log, log1p
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, softmax

from lightprobe.bars import tqdm
from lightprobe.check.findings import Finding
from lightprobe.check.transition import Transition, find_flows
from lightprobe.images import ImageSet, sample_mask
from lightprobe.optics import optical_kernel
from lightprobe.ridge import (
    DualSystem,
    Keys,
    group_members,
    identical_rows,
    joined_groups,
    row_keys,
    solve_dual,
)

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]

DEGREE: Final = 3
LEAST_CHANCE: Final = 0.2  # from here on a label is reported
PRIOR: Final = (1.0, 20.0)  # exponents of ε and 1 − ε: data without a single wrong label are rare
MOST_WRONG: Final = 0.8
LEAST_ROWS: Final = 500  # as many photos, or a quarter of all, tell the penalty, at a small part of the work
PART_ROWS: Final = 8192  # judged together: a kernel of half a gigabyte
NOTHING: Final = 1e-9  # scores, of targets −1 and +1, that spread by less are rounding
TINY: Final = float(np.finfo(float).tiny)


@dataclass(frozen=True)
class LabelNoise:
    """What leave-one-out says of labels.

    Attributes
    ----------
    posterior : (n, c)
        Chance that each class is the true one, given the photo and its label.
    chance : (n,)
        That a label is wrong.
    suggested : (n,)
        The most probable class other than the label.
    transition : Transition
        How labels come from true classes.
    rate : float
        Share of wrong labels.
    """

    posterior: Floats
    chance: Floats
    suggested: NDArray[np.intp]
    transition: Transition
    rate: float


def label_noise(
    scores: Floats, labels: NDArray[np.integer], transition: Transition | None = None
) -> LabelNoise:
    """Fit β, and unless it is given the transition, to leave-one-out scores (n, c) and labels (n,)."""
    n, n_classes = scores.shape
    given = np.arange(n_classes) == labels[:, None]
    suggested = np.where(given, -np.inf, scores).argmax(axis=1)
    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = float(np.sqrt(np.mean(centred**2)))
    if spread < NOTHING:
        nothing = Transition(0.0, np.zeros((n_classes, n_classes)))
        return LabelNoise(given.astype(float), np.zeros(n), suggested, nothing, 0.0)
    unit = centred / spread
    flows = find_flows(unit, labels) if transition is None else transition.flows
    most = MOST_WRONG * (1 - float(flows.sum(axis=1).max()))

    def joint(parameters: Floats) -> tuple[Floats, Transition]:
        known = transition or Transition(most * float(expit(parameters[1])), flows)
        return softmax(np.exp(parameters[0]) * unit, axis=1) * known.matrix()[:, labels].T, known

    def cost(parameters: Floats) -> float:
        together, known = joint(parameters)
        prior = PRIOR[0] * log(max(known.rate, TINY)) + PRIOR[1] * log1p(-known.rate)
        loss: float = -(np.log(np.maximum(together.sum(axis=1), TINY)).sum() + prior) / n
        return loss

    start = np.array([1.0, -3.0] if transition is None else [1.0])
    together, fitted = joint(minimize(cost, start, method="Nelder-Mead").x)
    posterior = together / np.maximum(together.sum(axis=1, keepdims=True), TINY)
    shares = 1 - np.diagonal(fitted.matrix())
    rate = float(shares @ posterior.mean(axis=0))
    return LabelNoise(posterior, np.where(given, 0, posterior).sum(axis=1), suggested, fitted, rate)


@dataclass(frozen=True)
class Judged:
    """What the rest of the photos says of each.

    Attributes
    ----------
    noise : LabelNoise
        With the labels' own chances of being wrong taken into account.
    left_out : list of (n, c)
        For each grouping, scores of every photo by the fit that trusts all labels and has not seen its group.
    """

    noise: LabelNoise
    left_out: list[Floats]


def judge_labels(
    X: NDArray[Any],
    labels: NDArray[np.integer],
    groupings: Sequence[Groups | None] = (None,),
    *,
    device: str = "cpu",
    random_state: int = 0,
    progress: bool = False,
) -> Judged:
    """Fit ridge to labels, then to what they probably should be, and leave every photo out.

    Parameters
    ----------
    X : (n, m)
        Encoded features. Photos with the same features are left out together.
    labels : (n,) integers in 0..c−1, each class occurring
    groupings : sequence of (n,) or None
        Photos that share a number are left out together, too. The first is what labels are judged by: with
        copies of the same picture in it, none vouches for its copy.
    device : str
        Where to compute.
    random_state : int
        Of the photos that choose the penalty, and of the parts.
    progress : bool
        Draw a bar on stderr where there are several parts.

    Raises
    ------
    DegenerateKernelError
        The features of all photos are the same.
    IllConditionedError
        No penalty could be solved, or the one chosen on a quarter not for all.
    DataError
        All photos are of one group.
    """
    n_classes = int(labels.max()) + 1
    equal, keys = identical_rows(X), row_keys(X, random_state)
    together = [equal if groups is None else joined_groups(groups, equal) for groups in groupings]
    parts = _deal(labels, reduce(joined_groups, together), keys)
    judged = np.empty((len(X), n_classes))
    left_out = [np.empty((len(X), n_classes)) for _ in groupings]
    alpha, rate, flows = None, 0.0, np.zeros((n_classes, n_classes))
    for rows in tqdm(parts, unit="part", desc="Labels", disable=not progress or len(parts) == 1):
        Y = np.where(labels[rows, None] == np.arange(n_classes), 1.0, -1.0)
        K = optical_kernel(X[rows], degree=DEGREE, device=device)
        if alpha is None:
            alpha = _least_error(K, Y, labels[rows], together[0][rows], keys[rows])
        members = [group_members(groups[rows], len(rows)) for groups in together]
        system = DualSystem(K, np.ones(len(rows)), device)
        system.factorise(alpha * system.scale)
        coef, _ = system.solve(Y)
        for scores, apart in zip(left_out, members, strict=True):
            scores[rows] = system.left_out_scores(coef, Y, apart)
        first = label_noise(left_out[0][rows], labels[rows])
        probable = 2 * first.posterior - 1
        judged[rows] = system.left_out_scores(system.solve(probable)[0], probable, members[0])
        rate += first.transition.rate * len(rows) / len(X)
        flows += first.transition.flows * len(rows) / len(X)
    return Judged(label_noise(judged, labels, Transition(rate, flows)), left_out)


def _deal(labels: NDArray[np.integer], units: Groups, keys: Keys) -> list[NDArray[np.intp]]:
    """Deal photos by their keys into parts of about the same size and the same shares of classes.

    Photos of a unit stay together, and every part has two units at least: what is left out together must
    not stand in two parts, or leaving out photos one by one would leave it out, too.
    """
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    n_parts = max(1, min(ceil(len(labels) / PART_ROWS), len(first) // 2))
    least = np.full(len(first), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(least, unit, keys)
    order = np.argsort(least, kind="stable")
    order = order[np.argsort(labels[first[order]], kind="stable")]
    part = np.empty(len(first), dtype=np.intp)
    part[order] = np.arange(len(first)) % n_parts
    return [np.flatnonzero(part[unit] == i) for i in range(n_parts)]


def _least_error(K: Floats, Y: Floats, labels: NDArray[np.integer], groups: Groups, keys: Keys) -> float:
    """Find the relative penalty of least squared error, of many photos on a quarter of them."""
    sample = sample_mask(labels, max(LEAST_ROWS, len(labels) // 4), keys=keys)
    rows = np.flatnonzero(sample)
    searched = solve_dual(K[np.ix_(rows, rows)], Y[rows], groups=groups[rows], keys=keys[rows])
    return min(searched.path, key=lambda point: point.loo_mse).alpha_relative


def label_findings(noise: LabelNoise, images: ImageSet, names: Sequence[str]) -> list[Finding]:
    """Report the labels that are doubtful, and classes that look mixed up; `names` are what labels count."""
    given = np.searchsorted(np.unique(images.labels), images.labels)
    mixed = []
    for true, label in np.argwhere(noise.transition.flows):
        in_folder = given == label
        alike = (in_folder & (noise.chance >= LEAST_CHANCE) & (noise.suggested == true)).sum()
        if alike:
            evidence = f"{alike} of {in_folder.sum()} {names[label]!r} look like {names[true]!r}"
            suggestion = f"was the folder mixed up? compare them with {names[true]!r}"
            mixed.append(Finding(names[label], "mixed-classes", evidence, suggestion, severity=float(alike)))
    return mixed + [
        Finding(
            images.paths[i],
            "suspicious-label",
            f"labelled {images.classes[images.labels[i]]}; wrong with a chance of {noise.chance[i]:.0%}",
            names[noise.suggested[i]],
            severity=float(noise.chance[i]),
        )
        for i in np.flatnonzero(noise.chance >= LEAST_CHANCE)
    ]
