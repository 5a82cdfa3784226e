"""Whether one picture is another one again: stored anew, rescaled, cropped, mirrored.

    ρ = max over flip, scale and offset of corr(A under the window, B)

the normalised cross-correlation of grey values (Lewis 1995, "Fast normalized cross-correlation"), searched
with B as a part of A and with A as a part of B: coarsely on small pictures, then finely around the best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
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
# Of thumbnails of flowers and their copies, crops to half the side too, the detail correlates by 0.66 and
# more; of 19 in 20 pairs of nearest neighbours in trash by 0.48 and less.
WORTH_OPENING: Final = 0.5
FLAT: Final = 2.0  # grey values spread by less: nothing to recognise


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


def coarse(picture: Grey) -> Grey:
    """Shrink a picture (h, w) to what `hints` needs: 48 pixels on its longer side."""
    height, width = _scaled(picture.shape, COARSE_SIDE / max(picture.shape))
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def hints(first: Grey, second: Grey) -> list[list[Hint]]:
    """Compare thumbnails with thumbnails in every way; different things give no hint, as a rule.

    Parameters
    ----------
    first, second : (b, h, w) and (b, k, l) uint8
        The i-th with the i-th: pairs of the same shapes together take a fraction of the time.
    """
    found: list[list[Hint]] = [[] for _ in first]
    told = (first.std(axis=(1, 2)) >= FLAT) & (second.std(axis=(1, 2)) >= FLAT)
    for second_is_whole in (False, True):
        whole, part = (second, first) if second_is_whole else (first, second)
        for mirrored, found_at in _search(whole, part, COARSE_SIDE, COARSE_SCALES, (False, True)):
            worth = told & (found_at.correlation >= WORTH_REFINING)
            for scale in np.unique(found_at.scale[worth]):
                rows = np.flatnonzero(worth & (found_at.scale == scale))
                near = np.unique(np.minimum(scale * np.linspace(0.955, 1.045, 7), 1.0))
                ((_, fine),) = _search(whole[rows], part[rows], COARSE_SIDE, near, (mirrored,))
                for place, row in enumerate(rows):
                    if fine.detail(place) >= WORTH_OPENING:
                        at = float(fine.correlation[place]), float(fine.scale[place])
                        found[row].append(Hint(*at, second_is_whole, mirrored))
    best = [max((hint.correlation for hint in ways), default=0.0) for ways in found]
    return [[h for h in ways if h.correlation >= top - 0.1] for ways, top in zip(found, best, strict=True)]


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
        ((_, found),) = _search(whole[None], part[None], FINE_SIDE, near, (way.mirrored,))
        if found.correlation[0] > best.correlation:
            at = float(found.correlation[0]), found.detail(0), float(found.scale[0])
            best = Match(*at, way.mirrored)
    return best


class _Places:
    """Where b windows agree best with what lies under them: what has been found so far.

    Attributes
    ----------
    correlation : (b,)
        −1 where no window fits.
    scale : (b,)
    """

    def __init__(self, large: Floats) -> None:
        self._large = large
        self.correlation, self.scale = np.full(len(large), -1.0), np.ones(len(large))
        self._corners = np.zeros((len(large), 2), dtype=np.intp)
        self._windows: list[Floats] = [large[i, :0, :0] for i in range(len(large))]

    def offer(self, scale: float, windows: Floats, correlations: Floats) -> None:
        """Take note of windows (b, h, w) whose correlations at every offset (b, H−h+1, W−w+1) are better."""
        b, rows, columns = correlations.shape
        flat = correlations.reshape(b, rows * columns)
        offsets = flat.argmax(axis=1)
        highest = flat[np.arange(b), offsets]
        better = np.flatnonzero(highest >= self.correlation)
        self.correlation[better], self.scale[better] = highest[better], scale
        self._corners[better] = np.stack(np.divmod(offsets[better], columns), axis=1)
        for i in better:
            self._windows[i] = windows[i]

    def detail(self, i: int) -> float:
        """Correlation of what is not smooth in the i-th window with what lies under it; −1 without one."""
        window, (top, left) = self._windows[i], self._corners[i]
        if not window.size:
            return -1.0
        h, w = window.shape
        return _correlation(_detail(self._large[i, top : top + h, left : left + w]), _detail(window))


def _search(
    wholes: Grey, parts: Grey, side: int, scales: NDArray[np.float64], mirrorings: Sequence[bool]
) -> list[tuple[bool, _Places]]:
    """Find for each part (b, h, w) the scale and the offset in its whole (b, H, W) where they agree best.

    Returns
    -------
    The places of the parts, of the mirrored parts, or of both, as `mirrorings` says.
    """
    large, parts = _shrunk(wholes, side / max(wholes.shape[1:])), parts.astype(np.float32)
    _, height, width = large.shape
    fit = min(height / parts.shape[1], width / parts.shape[2])
    # No window reaches beyond the picture, so none wraps around a transform of the picture's own size.
    shape = next_fast_len(height, real=True), next_fast_len(width, real=True)
    spectra = rfft2(large, shape)
    sums, squares = _integral(large), _integral(large * large)
    found = [(mirrored, _Places(large)) for mirrored in mirrorings]
    for scale in scales:
        windows = _shrunk(parts, fit * scale)
        _, h, w = windows.shape
        if min(h, w) < 8 or h > height or w > width:
            continue
        n = h * w
        centred = windows - windows.mean(axis=(1, 2), keepdims=True)
        energy = np.maximum((centred**2).sum(axis=(1, 2), keepdims=True), FLAT**2 * n)
        spread = np.maximum(_window(squares, h, w) - _window(sums, h, w) ** 2 / n, FLAT**2 * n)
        norm = np.sqrt(spread * energy)
        for mirrored, places in found:
            way = slice(None, None, -1) if mirrored else slice(None)
            products = irfft2(spectra * np.conj(rfft2(centred[:, :, way], shape)), shape)
            products = products[:, : height - h + 1, : width - w + 1]
            places.offer(scale, windows[:, :, way], products / norm)
    return found


def _scaled(shape: Sequence[int], factor: float) -> tuple[int, int]:
    height, width = (max(1, round(n * factor)) for n in shape)
    return height, width


def _shrunk(pictures: Grey | Floats, factor: float) -> Floats:
    """Resize pictures (b, h, w), each new pixel the mean of the area that it covers."""
    height, width = _scaled(pictures.shape[1:], factor)
    rows, columns = _areas(pictures.shape[1], height), _areas(pictures.shape[2], width)
    return np.asarray(rows @ pictures.astype(np.float32, copy=False) @ columns.T)


@lru_cache(maxsize=512)
def _areas(n: int, new: int) -> Floats:
    """Share (new, n) of each old pixel in each new one."""
    edges, old = np.arange(new + 1) * n / new, np.arange(n)
    covered = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    shares: Floats = (np.maximum(covered, 0) * new / n).astype(np.float32)
    shares.flags.writeable = False  # it is shared
    return shares


def _integral(values: Floats) -> NDArray[np.float64]:
    return np.pad(values.astype(np.float64).cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))


def _window(integral: NDArray[np.float64], h: int, w: int) -> NDArray[np.float64]:
    """Sum over every window of h × w."""
    return integral[:, h:, w:] - integral[:, :-h, w:] - integral[:, h:, :-w] + integral[:, :-h, :-w]


def _detail(picture: Floats) -> Floats:
    """Subtract from each value the mean of its four neighbours at a distance of two."""
    inner = picture[2:-2, 2:-2]
    around = picture[:-4, 2:-2] + picture[4:, 2:-2] + picture[2:-2, :-4] + picture[2:-2, 4:]
    return np.asarray(inner - around / 4, dtype=np.float32)


def _correlation(first: Floats, second: Floats) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0
