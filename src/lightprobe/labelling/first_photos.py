"""What to label first, where there is no model yet: photos that are spread over what a network sees."""

from typing import Any

import numpy as np

from lightprobe.backbones import DEFAULT, Tap, backbones_for
from lightprobe.features import TapSet, compile_each, extract_tap_sets, names_of
from lightprobe.images import ImageSet
from lightprobe.labelling.batches import choose_spread
from lightprobe.labelling.next_photos import NextPhotos, PhotoToLabel, check_number
from lightprobe.runtime import Runtime


def spread_photos(
    images: ImageSet, n: int, runtime: Runtime, *, backbone: str = DEFAULT, **options: Any
) -> NextPhotos:
    """Choose n photos that stand for the others: of each of n clusters the one nearest to its centre.

    Parameters
    ----------
    images : ImageSet
    n : int
    runtime : Runtime
        Its seed is that of the clusters' first centres.
    backbone, options
        What looks at the photos: `weights`, `cut`, `looks`, `image_size`, `mean` and `std` as for
        `ImageClassifier`.

    Raises
    ------
    OptionError
        If n is below 1.
    DataError
        If no photo can be decoded.
    """
    check_number(n)
    networks = backbones_for(runtime, backbone, **options)
    taps = [Tap(network.cut, "avg") for network in networks]
    compiled = [runner for runner, _ in compile_each(images, networks, [[tap] for tap in taps], runtime)]
    tap_set = TapSet(tuple(taps), tuple(range(len(taps))), tuple(names_of(networks)))
    seen = extract_tap_sets(images, compiled, [tap_set], runtime)
    batch = choose_spread(seen.matrices[tap_set], n, runtime.seed)
    chosen = zip(seen.kept[batch.rows].tolist(), batch.nearest, batch.stand_for.tolist(), strict=True)
    photos = tuple(
        PhotoToLabel(
            images.paths[place], nearest=None if np.isnan(near) else float(near), stands_for=stands_for
        )
        for place, near, stands_for in chosen
    )
    return NextPhotos(photos, len(seen.kept), skipped=images.skipped + seen.skipped)
