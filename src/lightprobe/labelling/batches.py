"""Choose a batch of rows to be labelled, none of which repeats another.

With a model: the rows of smallest margin p_1 − p_2 between the two most probable classes, of which it is the
least sure (Scheffer et al. 2001, "Active hidden Markov models for information extraction"). A row is passed
over that repeats one before it,

    1 − cos(x, y) < SAME_SCENE · mean over pairs of rows of (1 − cos)

so that of one scene there is one photo. Measured against the rows' own spread, this does not depend on how
far apart a network puts its features.

Without a model: all rows are dealt into n clusters by k-means, and the row nearest to each centre is chosen.
Features are scaled to length one first, so that distances go by cosine: |x − y|² = 2 − 2 cos(x, y).
"""

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.optics import l2_normalize
from lightprobe.ridge import identical_rows

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]

SAME_SCENE: Final = 0.2
LEAST_APART: Final = 1e-5  # of cosines in single precision
ROUNDS: Final = 30  # of k-means at most: centres move little after that
BLOCK_ROWS: Final = 256


@dataclass(frozen=True)
class Batch:
    """Rows to be labelled, the first of them first.

    Attributes
    ----------
    rows : ndarray of int, shape (k,)
    nearest : ndarray, shape (k,)
        Cosine of each to the most similar one before it; NaN for the first.
    stand_for : ndarray of int, shape (k,)
        Rows that each stands for, itself among them: of its cluster, or those passed over as they repeat it.
    n_repeated : int
        Rows that were passed over.
    """

    rows: Indices
    nearest: Floats
    stand_for: Indices
    n_repeated: int = 0


def choose_unsure(margins: Floats, X: NDArray[Any], n: int) -> Batch:
    """Choose n rows that a model is least sure of, the least sure first; fewer where the others repeat these.

    Parameters
    ----------
    margins : (n_rows,)
        Between the two best classes.
    X : (n_rows, n_features)
    n : int
    """
    order = np.argsort(margins, kind="stable")
    limit = 1 - max(SAME_SCENE * _spread(X), LEAST_APART)
    chosen = np.empty((min(n, len(X)), X.shape[1]), dtype=np.float32)
    rows: list[int] = []
    nearest: list[float] = []
    stand_for: list[int] = []
    n_seen = 0
    for start in range(0, len(order), BLOCK_ROWS):
        block = order[start : start + BLOCK_ROWS]
        for row, unit in zip(block.tolist(), _unit(X[block]), strict=True):
            if len(rows) == n:
                return _batch(rows, nearest, stand_for, n_seen - n)
            n_seen += 1
            cosines = chosen[: len(rows)] @ unit
            most = int(cosines.argmax()) if rows else 0
            if rows and cosines[most] > limit:
                stand_for[most] += 1
                continue
            nearest.append(float(cosines[most]) if rows else np.nan)
            chosen[len(rows)] = unit
            rows.append(row)
            stand_for.append(1)
    return _batch(rows, nearest, stand_for, n_seen - len(rows))


def choose_spread(X: NDArray[Any], n: int, seed: int = 0) -> Batch:
    """Choose n rows that stand for the others, of the largest cluster first; fewer where rows are equal.

    Parameters
    ----------
    X : (n_rows, n_features)
    n : int
    seed : int
        Of the first centres.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    first = identical_rows(X)
    fresh, copies = np.unique(first, return_counts=True)
    unit = _unit(X[fresh])
    means = KMeans(min(n, len(fresh)), n_init=1, max_iter=ROUNDS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rows of one direction are one point here
        cluster = means.fit_predict(unit, sample_weight=copies)
    distance = np.linalg.norm(unit - means.cluster_centers_[cluster], axis=1)
    by_distance = np.lexsort((distance, cluster))
    numbers, place = np.unique(cluster[by_distance], return_index=True)
    sizes = np.bincount(cluster, weights=copies)[numbers].astype(np.intp)
    largest = np.argsort(-sizes, kind="stable")
    best = by_distance[place[largest]]
    cosines = unit[best] @ unit[best].T
    nearest = [float(cosines[i, :i].max()) if i else np.nan for i in range(len(best))]
    return Batch(fresh[best], np.array(nearest), sizes[largest])


def _batch(rows: list[int], nearest: list[float], stand_for: list[int], n_repeated: int) -> Batch:
    return Batch(
        np.array(rows, dtype=np.intp), np.array(nearest), np.array(stand_for, dtype=np.intp), n_repeated
    )


def _spread(X: NDArray[Any]) -> float:
    """Mean over all pairs of rows, each with itself too, of one minus their cosine."""
    total = np.zeros(X.shape[1])
    for start in range(0, len(X), BLOCK_ROWS):
        total += _unit(X[start : start + BLOCK_ROWS]).sum(axis=0, dtype=np.float64)
    return max(0.0, 1 - float(np.square(total / len(X)).sum()))


def _unit(X: NDArray[Any]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = l2_normalize(np.asarray(X, dtype=np.float32))
    return unit
