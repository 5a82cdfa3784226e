"""Fit choices one after the other, sharing what they have in common."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import ResourceError
from lightprobe.features import TapSet
from lightprobe.head import FittedHead, HeadOptions, fit_head
from lightprobe.optics import ENCODERS, linear_kernel
from lightprobe.ridge import DegenerateKernelError, Keys
from lightprobe.selection.candidates import Choice

logger = logging.getLogger(__name__)

STAGES = ("generate", "encode", "project", "fit")


def fit_each(
    features: Mapping[TapSet, NDArray[np.float16]],
    labels: NDArray[np.int64],
    wanted: Sequence[Choice],
    options: HeadOptions,
    groups: NDArray[np.generic] | None,
    seconds: dict[str, float],
    rows: NDArray[np.bool_] | None = None,
    keys: Keys | None = None,
) -> Iterator[tuple[Choice, FittedHead | None, str]]:
    """Yield each choice with its fitted head, or with None and why it cannot be used.

    Parameters
    ----------
    features : dict of TapSet to ndarray, shape (n_samples, n_features)
    labels, groups, keys : ndarray, shape (n_rows,)
        Of all samples, or of those in `rows`; see `fit_head`.
    wanted : sequence of Choice
        Those of one tap set and encoding stand together.
    options : HeadOptions
        Their kernel is replaced by each choice's.
    seconds : dict of str to float
        What each of `STAGES` takes is added here.
    rows : ndarray of bool, shape (n_samples,), optional
        The samples to fit to, instead of all.
    """
    for (taps, encode), group in groupby(wanted, key=lambda choice: (choice.taps, choice.encode)):
        start = time.perf_counter()
        encoded = ENCODERS[encode](features[taps] if rows is None else features[taps][rows])
        seconds["encode"] += time.perf_counter() - start
        # The kernels of one encoding are functions of the same inner products.
        products = cache(partial(linear_kernel, encoded, device=options.solve_device))
        for choice in group:
            fitted, reason = _try(choice, encoded, labels, options, groups, keys, products)
            if fitted is not None:
                for stage, value in fitted.seconds.items():
                    seconds[stage] += value
            yield choice, fitted, reason


def _try(
    choice: Choice,
    encoded: NDArray[Any],
    labels: NDArray[np.int64],
    options: HeadOptions,
    groups: NDArray[np.generic] | None,
    keys: Keys | None,
    products: Callable[[], NDArray[np.float64]],
) -> tuple[FittedHead | None, str]:
    """Fit a choice, or say why it cannot be used."""
    try:
        fitted = fit_head(
            encoded,
            labels,
            int(labels.max()) + 1,
            replace(options, kernel=choice.kernel),
            groups=groups,
            keys=keys,
            products=products,
        )
    except (DegenerateKernelError, ResourceError) as error:
        logger.info("%s: dropped, %s", choice, error)
        return None, str(error)
    logger.info("%s: leave-one-out %.2f %% of %d", choice, 100 * fitted.loo_accuracy, len(labels))
    return fitted, ""
