"""A learning curve through errors, and what more photos would bring.

    error(n) = a + b · n^(−c),   a, b ≥ 0,   0 < c ≤ 2

by least squares over the draws (Cortes et al. 1994, "Learning curves: asymptotic values and rate of
convergence"). Uncertainty: the draws of every size are drawn again with replacement, and to each comes the
scatter that its size alone would give.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 200
EXPONENTS = np.linspace(0.02, 2, 100)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A fitted curve and its resampled kin.

    Attributes
    ----------
    parameters : (3,)
        a, b (scaled to the largest n) and c.
    resampled : (r, 3)
    largest : float
        The n that b is scaled to.
    """

    parameters: Floats
    resampled: Floats
    largest: float

    def error(self, n: Floats | float) -> Floats:
        """Error at n photos."""
        return _error(self.parameters, np.asarray(n) / self.largest)

    def band(self, n: Floats | float, level: float = 0.95) -> tuple[Floats, Floats]:
        """Interval of the error at n photos."""
        kin = np.stack([_error(p, np.asarray(n) / self.largest) for p in self.resampled])
        low, high = np.quantile(kin, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low, high

    def gain(self, n: float, level: float = 0.95) -> tuple[float, float, float]:
        """How much less error n photos give than the largest number fitted, with its interval."""
        kin = np.array(
            [_error(p, np.array(1.0)) - _error(p, np.array(n / self.largest)) for p in self.resampled]
        )
        low, high = np.quantile(kin, [(1 - level) / 2, (1 + level) / 2])
        return float(self.error(self.largest) - self.error(n)), float(low), float(high)


def fit_curve(draws: Mapping[float, Sequence[float]], n_asked: int, random_state: int = 0) -> Curve | None:
    """Fit a curve to errors; None with fewer than four sizes.

    Parameters
    ----------
    draws : mapping of number of photos to the errors of its draws
    n_asked : int
        How many photos each error was measured on.
    """
    sizes = sorted(draws)
    if len(sizes) < 4:
        return None
    largest = float(sizes[-1])
    x = np.array(sizes) / largest
    means = np.array([np.mean(draws[n]) for n in sizes])
    # A size's mean is as sure as its number of draws makes it.
    weights = np.sqrt([len(draws[n]) for n in sizes])
    alone = np.array([len(draws[n]) == 1 for n in sizes])
    scatter = np.where(alone, np.sqrt(means * (1 - means) / n_asked), 0.0)
    rng = np.random.default_rng(random_state)
    again = np.array(
        [[np.mean(rng.choice(draws[n], len(draws[n]))) for n in sizes] for _ in range(RESAMPLES)]
    )
    again += scatter * rng.standard_normal(again.shape)
    fits = _fit(x, np.vstack([means, again]), weights)
    return Curve(fits[0], fits[1:], largest)


def _error(parameters: Floats, x: Floats) -> Floats:
    a, b, c = parameters
    return np.asarray(a + b * np.power(x, -c))


def _fit(x: Floats, Y: Floats, weights: Floats) -> Floats:
    """Fit a, b ≥ 0 by least squares at each c of a grid, and keep the best: (r, 3) for errors Y (r, s)."""
    best = np.full(len(Y), np.inf)
    parameters = np.zeros((len(Y), 3))
    total = (weights**2).sum()
    for c in EXPONENTS:
        z = np.power(x, -c)
        z_mean, y_mean = (weights**2 @ z) / total, (Y @ weights**2) / total
        spread = weights**2 @ (z - z_mean) ** 2
        slope = ((Y - y_mean[:, None]) * weights**2) @ (z - z_mean) / spread if spread > 0 else 0 * y_mean
        # Where one would be negative it is zero, and the other fitted alone.
        through_zero = (Y * weights**2) @ z / (weights**2 @ z**2)
        b = np.where(y_mean - slope * z_mean < 0, through_zero, np.maximum(slope, 0))
        a = np.where(y_mean - slope * z_mean < 0, 0.0, y_mean - b * z_mean)
        cost = (((a[:, None] + b[:, None] * z - Y) * weights) ** 2).sum(axis=1)
        better = cost < best
        best = np.where(better, cost, best)
        parameters[better] = np.stack([a, b, np.full(len(Y), c)], axis=1)[better]
    return parameters
