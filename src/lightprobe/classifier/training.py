"""From training photos to the candidate that leave-one-out prefers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightprobe.classifier.naming import create_backbones
from lightprobe.classifier.network import Network
from lightprobe.features import Features, Lens, taps_of
from lightprobe.head import OpticalRidge
from lightprobe.images import ImageSet, require_every_class
from lightprobe.selection import Candidate, Selection, Views, choices, open_views, select

if TYPE_CHECKING:
    from lightprobe.classifier.image_classifier import ImageClassifier


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    Attributes
    ----------
    images : ImageSet
        The photos that could be decoded.
    networks : tuple of Network
        Those that the winner looks through, each up to its layer.
    rows : ndarray of float16, shape (n, n_features)
        What they see.
    features : Features
    selection : Selection
        Its candidates end with those that memory left no room for.
    cut_gain : float or None
        Where stages were compared: accuracy of the winner less that of the best of the last layers.
    """

    images: ImageSet
    networks: tuple[Network, ...]
    rows: NDArray[np.float16]
    features: Features
    selection: Selection
    cut_gain: float | None


def compare(model: "ImageClassifier", images: ImageSet, kernel: str, head: OpticalRidge) -> Compared:
    """Look at the photos once a network and compare everything that the model's parameters leave open.

    Parameters
    ----------
    model : ImageClassifier
        Its parameters are read.
    images : ImageSet
        Training photos.
    kernel, head
        From `unfitted_head`.
    """
    every_stage = model.cut == "auto"
    backbones = create_backbones(model)
    # Sums grow as the square of a linear head's features, which flattened ones are too many for.
    pool = "avg" if model.pool == "auto" and model.keep == "sums" and kernel == "linear" else model.pool
    views = open_views(backbones, len(images), pool, model.max_memory, every_stage=every_stage)
    settled = [
        Network.for_photos(
            images,
            backbone,
            taps_of(views.parts, place),
            engine=model.engine,
            precision=model.precision,
            device=model.device,
            random_state=model.random_state,
        )
        for place, backbone in enumerate(backbones)
    ]
    lenses = [Lens(network.backbone, runner) for network, runner in settled]
    features = model.look(images, lenses=lenses, views=views.parts)
    images = images.select(features.kept)
    require_every_class(images, "training photos that can be decoded")
    selection = select(
        features.matrices,
        images.labels,
        choices(views.parts, model.encode, kernel),
        head,
        groups=images.groups,
        multiplications=views.multiplications,
        spared=views.last,
        progress=model.verbose,
    )
    gain = _gain_over(views.last, selection.candidates) if every_stage else None
    for choice in choices(views.dropped, model.encode, kernel):
        selection.candidates.append(Candidate(choice, dropped=views.dropped[choice.tap]))
    rows = features.matrices[selection.choice.tap]
    selection, networks = only_needed(selection, views, [network for network, _ in settled])
    return Compared(images, networks, rows, features, selection, gain)


def only_needed(
    selection: Selection, views: Views, networks: Sequence[Network]
) -> tuple[Selection, tuple[Network, ...]]:
    """Return the networks that the winner looks through, up to its layers.

    Alone, a network's layer needs no network's name before it: the choice is renamed.
    """
    parts = views.parts[selection.choice.tap]
    needed = tuple(networks[place].at(tap.cut) for place, tap in parts)
    if len(parts) == 1:
        selection = replace(selection, choice=replace(selection.choice, tap=parts[0][1]))
    return selection, needed


def _gain_over(last: frozenset[str], candidates: list[Candidate]) -> float | None:
    there = [c.loo_accuracy for c in candidates if c.choice.tap.cut in last and c.loo_accuracy is not None]
    won = candidates[0].loo_accuracy
    return None if won is None or not there else won - max(there)
