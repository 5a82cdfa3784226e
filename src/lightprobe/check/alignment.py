"""Whether one picture is another one again: stored anew, rescaled, cropped, mirrored.

    ρ = max over flip, scale and offset of corr(A under the window, B)

the normalised cross-correlation of grey values (Lewis 1995, "Fast normalized cross-correlation"), searched
with B as a part of A and with A as a part of B: coarsely on small pictures, then finely around the best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import irfft2, next_fast_len, rfft2

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]

SMALLEST_PART: Final = 0.5  # of the other's side, in the direction in which the part is longer
COARSE_SIDE, FINE_SIDE = 48, 128
COARSE_SCALES: Final = np.geomspace(SMALLEST_PART, 1.0, 9)
WORTH_REFINING: Final = 0.65
# Of thumbnails: crops to 70 % and copies at half the size of flowers have 0.64 and more, 19 of 20 pairs of
# nearest neighbours that are none have 0.22 and less.
WORTH_OPENING: Final = 0.35
FLAT: Final = 2.0  # grey values spread by less: nothing to recognise
BOTH: Final = (False, True)


@dataclass(frozen=True)
class Match:
    """How well two pictures agree, and what makes one of the other.

    Attributes
    ----------
    correlation : float
        Of the grey values where they lie upon each other, in [−1, 1].
    detail : float
        The same after what is smooth has been taken off: pictures of two things in one setting agree in
        their smooth parts.
    part : float
        Side of the smaller one over that of the larger one; 1 if both show the same.
    mirrored : bool
    """

    correlation: float = -1.0
    detail: float = -1.0
    part: float = 1.0
    mirrored: bool = False


@dataclass(frozen=True)
class Hint:
    """A way to lay two pictures upon each other that is worth a closer look."""

    correlation: float
    scale: float
    second_is_whole: bool
    mirrored: bool


def thumbnail(picture: Grey) -> Grey:
    """Shrink a picture (h, w) to what `hints` needs: 48 pixels on its longer side."""
    return _resized(picture, COARSE_SIDE / max(picture.shape))


def hints(first: Grey, second: Grey) -> list[Hint]:
    """Compare two thumbnails in every way; pictures of different things give none, as a rule."""
    if first.std() < FLAT or second.std() < FLAT:
        return []
    found = []
    for second_is_whole in (False, True):
        whole, part = (second, first) if second_is_whole else (first, second)
        for mirrored, coarse in zip(
            BOTH, _search(whole, part, COARSE_SIDE, COARSE_SCALES, BOTH), strict=True
        ):
            if coarse.correlation < WORTH_REFINING:
                continue
            near = np.unique(np.minimum(coarse.scale * np.linspace(0.955, 1.045, 7), 1.0))
            (fine,) = _search(whole, part, COARSE_SIDE, near, (mirrored,))
            if fine.detail >= WORTH_OPENING:
                found.append(Hint(fine.correlation, fine.scale, second_is_whole, mirrored))
    best = max((hint.correlation for hint in found), default=0.0)
    return [hint for hint in found if hint.correlation >= best - 0.1]


def match(first: Grey, second: Grey, ways: Sequence[Hint]) -> Match:
    """Find the best way to lay two pictures upon each other.

    Parameters
    ----------
    first, second : (h, w) uint8
        Of any size.
    ways : sequence of Hint
        From `hints` of their thumbnails.
    """
    best = Match()
    for way in ways:
        whole, part = (second, first) if way.second_is_whole else (first, second)
        near = np.unique(np.minimum(way.scale * np.linspace(0.97, 1.03, 7), 1.0))
        (found,) = _search(whole, part, FINE_SIDE, near, (way.mirrored,))
        if found.correlation > best.correlation:
            best = Match(found.correlation, found.detail, found.scale, way.mirrored)
    return best


@dataclass(frozen=True)
class Place:
    """Where a window agrees best with what lies under it; of what is made without these, none fits."""

    correlation: float = -1.0
    scale: float = 1.0
    pictures: tuple[Floats, Floats] | None = None

    @property
    def detail(self) -> float:
        """The correlation of what is not smooth."""
        return -1.0 if self.pictures is None else _correlation(*map(_detail, self.pictures))


def _search(
    whole: Grey, part: Grey, side: int, scales: NDArray[np.float64], mirrorings: Sequence[bool]
) -> list[Place]:
    """Find the best scale and offset of a part, for each of `mirrorings` of it."""
    large = _shrunk(whole, side / max(whole.shape))
    height, width = large.shape
    fit = min(height / part.shape[0], width / part.shape[1])
    smaller = [(float(scale), _shrunk(part, fit * scale)) for scale in scales]
    fitting = [
        (s, w) for s, w in smaller if min(w.shape) >= 8 and w.shape[0] <= height and w.shape[1] <= width
    ]
    best = [Place() for _ in mirrorings]
    if not fitting:
        return best
    # No window reaches beyond the picture, so none wraps around a transform of the picture's own size.
    shape = next_fast_len(height, real=True), next_fast_len(width, real=True)
    windows = np.zeros((len(fitting), len(mirrorings), *shape), np.float32)
    for place, (_, window) in enumerate(fitting):
        centred = window - window.mean()
        for turn, mirrored in enumerate(mirrorings):
            windows[place, turn, : centred.shape[0], : centred.shape[1]] = (
                np.fliplr(centred) if mirrored else centred
            )
    products = irfft2(rfft2(large, shape) * np.conj(rfft2(windows)), shape)
    sums, squares = _integral(large), _integral(large * large)
    for (scale, window), of_window in zip(fitting, products, strict=True):
        h, w = window.shape
        n = h * w
        spread = np.maximum(_window(squares, h, w) - _window(sums, h, w) ** 2 / n, FLAT**2 * n)
        scaled = of_window[:, : height - h + 1, : width - w + 1] / np.sqrt(spread * n * window.var())
        for turn, mirrored in enumerate(mirrorings):
            top, left = divmod(int(scaled[turn].argmax()), width - w + 1)
            correlation = float(scaled[turn, top, left])
            if correlation >= best[turn].correlation:
                under = large[top : top + h, left : left + w]
                best[turn] = Place(correlation, scale, (under, np.fliplr(window) if mirrored else window))
    return best


def _resized(picture: Grey, factor: float) -> Grey:
    height, width = (max(1, round(n * factor)) for n in picture.shape)
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def _shrunk(picture: Grey, factor: float) -> Floats:
    return _resized(picture, factor).astype(np.float32)


def _integral(values: Floats) -> NDArray[np.float64]:
    return np.pad(values.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _window(integral: NDArray[np.float64], h: int, w: int) -> NDArray[np.float64]:
    """Sum over every window of h × w."""
    return integral[h:, w:] - integral[:-h, w:] - integral[h:, :-w] + integral[:-h, :-w]


def _detail(picture: Floats) -> Floats:
    """Subtract from each value the mean of its four neighbours at a distance of two."""
    inner = picture[2:-2, 2:-2]
    around = picture[:-4, 2:-2] + picture[4:, 2:-2] + picture[2:-2, :-4] + picture[2:-2, 4:]
    return np.asarray(inner - around / 4, dtype=np.float32)


def _correlation(first: Floats, second: Floats) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0
