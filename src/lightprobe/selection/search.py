"""Which features, encoding and kernel to use: candidates scored by leave-one-out, from one pass.

The winner is the one that the rule takes (see `rule`). Of many photos, a sample first tells which candidates
are out of the question (`screening`).
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lightprobe.bars import tqdm
from lightprobe.errors import OptionError
from lightprobe.features import TapSet
from lightprobe.head import FittedHead, HeadOptions
from lightprobe.ridge import Keys
from lightprobe.selection.candidates import Candidate, Choice
from lightprobe.selection.fit_candidates import STAGES, fit_each
from lightprobe.selection.rule import Photos, Rivals, optimism
from lightprobe.selection.screening import screen


@dataclass(frozen=True)
class Selection:
    """The outcome of a comparison.

    Attributes
    ----------
    candidates : list of Candidate
        The winner first, then by leave-one-out accuracy; those that were dropped last.
    choice : Choice
        The winner.
    head : FittedHead
        Fitted with it.
    seconds : dict of str to float
        Seconds spent on `generate`, `encode`, `project` and `fit`, all candidates and the sample together.
    optimism : float
        What the winner's leave-one-out accuracy owes to having been chosen by it, see `rule`.
    """

    candidates: list[Candidate]
    choice: Choice
    head: FittedHead
    seconds: dict[str, float]
    optimism: float


def select(
    features: Mapping[TapSet, NDArray[np.float16]],
    labels: NDArray[np.int64],
    wanted: Sequence[Choice],
    options: HeadOptions,
    *,
    groups: NDArray[np.generic] | None = None,
    keys: Keys | None = None,
    multiplications: Mapping[TapSet, int] | None = None,
    never_screened: Container[TapSet] = (),
    cheaper: bool | None = None,
    progress: bool = False,
) -> Selection:
    """Fit the choices, compare them by leave-one-out, and return the winner fitted.

    Parameters
    ----------
    features : dict of TapSet to ndarray, shape (n_samples, n_features)
        One matrix a tap set.
    labels : ndarray of int64, shape (n_samples,)
        Classes.
    wanted : sequence of Choice
        What to try, cheaper first.
    options : HeadOptions
        Of the heads; their kernel is replaced by each choice's. With class weights, accuracies are weighed
        by them.
    groups : ndarray, shape (n_samples,), optional
        Photos of one group are left out together.
    keys : ndarray of uint64, shape (n_samples,), optional
        Numbers that follow the photos wherever they stand: samples of many photos are drawn by them.
    multiplications : dict of TapSet to int, optional
        What a photo takes up to each tap set, where they differ: a part of the candidates' cost.
    never_screened : collection of TapSet
        The best candidate among these is compared on all photos in any case.
    cheaper : bool, optional
        Whether the cheaper is preferred between different eyes; by the rule from 500 photos on.
    progress : bool
        Draw a bar on stderr.

    Raises
    ------
    OptionError
        If no choice can be used.
    """
    seconds = dict.fromkeys(STAGES, 0.0)
    wanted, behind = screen(
        features,
        labels,
        wanted,
        options,
        groups=groups,
        keys=keys,
        never_screened=never_screened,
        seconds=seconds,
        progress=progress,
    )
    fits = fit_each(features, labels, wanted, options, groups, seconds, keys=keys)

    def again(choice: Choice) -> FittedHead:
        spent = dict.fromkeys(STAGES, 0.0)
        ((_, head, _),) = fit_each(features, labels, [choice], options, groups, spent, keys=keys)
        assert head is not None
        return head

    shown = tqdm(fits, "Comparing", len(wanted), unit="candidate", disable=not progress)
    found = judge(
        shown, labels, again, groups=groups, multiplications=multiplications, cheaper=cheaper, seconds=seconds
    )
    return replace(found, candidates=found.candidates + behind)


def judge(
    fits: Iterable[tuple[Choice, FittedHead | None, str]],
    labels: NDArray[np.int64],
    again: Callable[[Choice], FittedHead],
    *,
    groups: NDArray[np.generic] | None = None,
    multiplications: Mapping[TapSet, int] | None = None,
    cheaper: bool | None = None,
    seconds: dict[str, float],
) -> Selection:
    """Take the winner of fitted choices.

    Parameters
    ----------
    fits : iterable of (Choice, FittedHead or None, str)
        Fitted one after the other; None for one that cannot be used, and why.
    again : callable
        Fits a choice once more, should its head have been let go.
    labels, groups, multiplications, cheaper
        As for `select`.
    seconds : dict of str to float
        Of the selection.

    Raises
    ------
    OptionError
        If no choice can be used.
    """
    tried: list[Candidate] = []
    heads: dict[Choice, FittedHead] = {}
    photos = Photos.of(np.ones(len(labels)), groups)
    for choice, fitted, reason in fits:
        if fitted is None:
            tried.append(Candidate(choice, dropped=reason))
            continue
        before = (multiplications or {}).get(choice.taps, 0)
        tried.append(Candidate.scored(choice, fitted, labels, before))
        photos = replace(photos, weights=fitted.class_weight[labels])
        heads[choice] = fitted
        # Heads hold their training features: only those that can still win are kept.
        heads = {c.choice: heads[c.choice] for c in _contenders(tried, photos, cheaper) if c.choice in heads}
    scored = [c for c in tried if c.loo_accuracy is not None]
    if not scored:
        reasons = "; ".join(f"{c.choice}: {c.dropped}" for c in tried)
        raise OptionError(f"None of the {len(tried)} ways to use these features works ({reasons}).")
    rivals = Rivals.of(scored, photos, cheaper)
    winner = scored[rivals.taken()]
    if winner.choice not in heads:
        heads[winner.choice] = again(winner.choice)
    tried.sort(key=lambda c: (c is not winner, -photos.accuracy(c), c.loo_squared_error or 0.0))
    return Selection(tried, winner.choice, heads[winner.choice], seconds, optimism(rivals))


def _contenders(tried: Sequence[Candidate], photos: Photos, cheaper: bool | None = None) -> list[Candidate]:
    """Candidates that the rule would choose among if there were no others."""
    scored = [c for c in tried if c.loo_accuracy is not None]
    return [scored[i] for i in Rivals.of(scored, photos, cheaper).contenders()] if scored else []
