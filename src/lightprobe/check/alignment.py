"""Whether one picture is another one again: stored anew, rescaled, cropped, mirrored.

    ρ = max over flip, scale and offset of corr(A under the window, B)

the normalised cross-correlation of grey values (Lewis 1995, "Fast normalized cross-correlation"), searched
with B as a part of A and with A as a part of B: coarsely on small pictures, then finely around the best.
"""

from collections.abc import Iterator, Sequence
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
NOTHING: Final = (-1.0, 1.0, -1.0)  # where no window is left


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
        for mirrored in (False, True):
            window = np.fliplr(part) if mirrored else part
            correlation, scale, _ = max(_search(whole, window, COARSE_SIDE, COARSE_SCALES), default=NOTHING)
            if correlation < WORTH_REFINING:
                continue
            near = np.unique(np.minimum(scale * np.linspace(0.955, 1.045, 7), 1.0))
            correlation, scale, detail = max(_search(whole, window, COARSE_SIDE, near), default=NOTHING)
            if detail >= WORTH_OPENING:
                found.append(Hint(correlation, scale, second_is_whole, mirrored))
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
        window = np.fliplr(part) if way.mirrored else part
        near = np.minimum(way.scale * np.linspace(0.97, 1.03, 7), 1.0)
        correlation, scale, detail = max(_search(whole, window, FINE_SIDE, np.unique(near)), default=NOTHING)
        if correlation > best.correlation:
            best = Match(correlation, detail, scale, way.mirrored)
    return best


def _search(
    whole: Grey, part: Grey, side: int, scales: NDArray[np.float64]
) -> Iterator[tuple[float, float, float]]:
    """Yield (correlation, scale, correlation of detail) of the best offset at each scale."""
    large = _shrunk(whole, side / max(whole.shape))
    spectrum_shape = tuple(next_fast_len(2 * n, real=True) for n in large.shape)
    spectrum = rfft2(large, spectrum_shape)
    sums, squares = _integral(large), _integral(large * large)
    for scale in scales:
        fit = min(large.shape[0] / part.shape[0], large.shape[1] / part.shape[1])
        small = _shrunk(part, fit * scale)
        h, w = small.shape
        if min(h, w) < 8 or h > large.shape[0] or w > large.shape[1]:
            continue
        centred = small - small.mean()
        products = irfft2(spectrum * np.conj(rfft2(centred, spectrum_shape)), spectrum_shape)
        products = products[: large.shape[0] - h + 1, : large.shape[1] - w + 1]
        n = h * w
        spread = np.maximum(_window(squares, h, w) - _window(sums, h, w) ** 2 / n, FLAT**2 * n)
        ncc = products / np.sqrt(spread * (centred**2).sum())
        top, left = np.unravel_index(int(ncc.argmax()), ncc.shape)
        under = large[top : top + h, left : left + w]
        yield float(ncc[top, left]), float(scale), _correlation(_detail(under), _detail(small))


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
