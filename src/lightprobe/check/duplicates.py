"""The same photo twice: to the last pixel, or stored anew, rescaled, cropped, mirrored.

Exact copies have equal pixels. Near copies are looked for among each photo's nearest neighbours in the
network's features, and each such pair is then compared by its pixels, so that likeness alone is not taken
for sameness.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lightprobe.bars import tqdm
from lightprobe.check.alignment import Hint, Match, hints, match
from lightprobe.check.findings import Finding
from lightprobe.errors import ImageError
from lightprobe.images import ImageSet
from lightprobe.optics import l2_normalize

# On flowers and trash, crops to 70 % of the side and photos at half the size have their original among the
# first five, at a cosine above 0.75. Of copies, crops to half the side too, the detail correlates by 0.66 and
# more; what is below that in trash, and looks the same otherwise, are other things in the same light.
NEIGHBOURS: Final = 5
LEAST_COSINE: Final = 0.75
LEAST_CORRELATION: Final = 0.85
LEAST_DETAIL: Final = 0.65
BLOCK_ROWS: Final = 2048
TOGETHER: Final = 128  # pairs whose thumbnails are compared at a time

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """Two photos that are the same picture; `match` is None if to the last pixel."""

    first: int
    second: int
    match: Match | None = None


def exact_pairs(digests: Mapping[int, bytes]) -> list[Pair]:
    """Pair every photo whose pixels have been seen before with the first that had them."""
    first: dict[bytes, int] = {}
    return [Pair(first[d], i) for i, d in digests.items() if first.setdefault(d, i) != i]


def near_pairs(
    features: NDArray[np.float16],
    rows: NDArray[np.int64],
    thumbnails: Mapping[int, Grey],
    read: Callable[[int], Grey],
    known: Sequence[Pair] = (),
    *,
    progress: bool = False,
) -> list[Pair]:
    """Find photos that show the same picture, though not to the last pixel.

    Parameters
    ----------
    features : (n, m)
    rows : (n,)
        Which photo each row is.
    thumbnails : mapping of int to (h, w)
        A photo's grey values, small.
    read : callable
        Gives a photo's grey values; called for pairs whose thumbnails agree.
    known : sequence of Pair
        Exact copies: only the first of them is compared.
    progress : bool
        Draw a bar on stderr.
    """
    copies = {pair.second for pair in known}
    fresh = np.array([place for place, i in enumerate(rows) if int(i) not in copies], dtype=np.int64)
    pairs = [(int(rows[fresh[a]]), int(rows[fresh[b]])) for a, b in neighbour_pairs(features[fresh])]
    found = []
    with tqdm(total=len(pairs), unit="pair", desc="Comparing pixels", disable=not progress) as bar:
        for some in _of_same_shapes(pairs, thumbnails):
            stacks = (np.stack([thumbnails[pair[side]] for pair in some]) for side in (0, 1))
            for (first, second), ways in zip(some, hints(*stacks), strict=True):
                how = _matched(first, second, ways, read)
                if how.correlation >= LEAST_CORRELATION and how.detail >= LEAST_DETAIL:
                    found.append(Pair(first, second, how))
            bar.update(len(some))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _of_same_shapes(
    pairs: Sequence[tuple[int, int]], thumbnails: Mapping[int, Grey]
) -> Iterator[list[tuple[int, int]]]:
    """Deal pairs out, some at a time, those of the same two shapes together."""
    alike: dict[tuple[tuple[int, ...], ...], list[tuple[int, int]]] = {}
    for pair in pairs:
        alike.setdefault(tuple(thumbnails[i].shape for i in pair), []).append(pair)
    for group in alike.values():
        for start in range(0, len(group), TOGETHER):
            yield group[start : start + TOGETHER]


def _matched(first: int, second: int, ways: Sequence[Hint], read: Callable[[int], Grey]) -> Match:
    """Compare two photos in ways that are worth it; without any, or if one has gone, they do not agree."""
    if not ways:
        return Match()
    try:
        return match(read(first), read(second), ways)
    except (ImageError, OSError):  # it could be read a moment ago
        return Match()


def neighbour_pairs(features: NDArray[np.float16]) -> list[tuple[int, int]]:
    """List pairs (i < j) of which one is among the other's nearest by cosine, a block of rows at a time."""
    unit = l2_normalize(np.asarray(features, dtype=np.float32))
    pairs: set[tuple[int, int]] = set()
    k = min(NEIGHBOURS + 1, len(unit))  # itself among them
    for start in range(0, len(unit), BLOCK_ROWS):
        cosines = unit[start : start + BLOCK_ROWS] @ unit.T
        near = cosines >= LEAST_COSINE
        for crowded in np.flatnonzero(np.count_nonzero(near, axis=1) > k):
            near[crowded] = False
            near[crowded, np.argpartition(cosines[crowded], -k)[-k:]] = True
        near[np.arange(len(near)), start + np.arange(len(near))] = False
        rows, others = np.nonzero(near)
        for a, b in zip((start + rows).tolist(), others.tolist(), strict=True):
            pairs.add((min(a, b), max(a, b)))
    return sorted(pairs)


def clusters(pairs: Sequence[Pair], n: int) -> NDArray[np.intp]:
    """Give the photos numbers (n,) that those linked by pairs share."""
    first, second = ([getattr(p, side) for p in pairs] for side in ("first", "second"))
    links = coo_array((np.ones(len(pairs)), (first, second)), shape=(n, n))
    numbers: NDArray[np.intp] = connected_components(links, directed=False)[1]
    return numbers


def pair_findings(pairs: Sequence[Pair], images: ImageSet) -> list[Finding]:
    """Say what is wrong with each pair: two labels, two splits, or merely twice."""
    return [_finding(pair, images) for pair in pairs]


def _finding(pair: Pair, images: ImageSet) -> Finding:
    first, second = pair.first, pair.second
    labels = [images.classes[images.labels[i]] for i in (first, second)]
    splits = [str(images.splits[i]) for i in (first, second)]
    evidence = _describe(pair.match)
    severity = 1.0 if pair.match is None else pair.match.correlation
    apart = "" if splits[0] == splits[1] else f", in {splits[0]} and {splits[1]}"
    if labels[0] != labels[1]:
        kind, evidence = "conflicting-label", f"{evidence}, labelled {labels[0]} and {labels[1]}{apart}"
        suggestion = "keep one of them, with the right label"
    elif apart:
        kind, evidence = "leak", f"{evidence}{apart}"
        suggestion = f"remove it from {splits[0] if splits[0] == 'train' else splits[1]}"
    else:
        kind, suggestion = "duplicate" if pair.match is None else "near-duplicate", "keep one of them"
    return Finding(images.paths[second], kind, evidence, suggestion, images.paths[first], severity)


def _describe(how: Match | None) -> str:
    if how is None:
        return "the same pixels"
    words = [
        "the same picture" if how.part > 0.97 else f"a part of the same picture ({how.part:.0%} of its side)"
    ]
    if how.mirrored:
        words.append("mirrored")
    return f"{', '.join(words)} (correlation {how.correlation:.3f})"
