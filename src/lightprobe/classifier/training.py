"""From training photos to the candidate that leave-one-out prefers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightprobe.backbones import Backbone, Runner, create_backbone
from lightprobe.classifier.network import Network
from lightprobe.features import FeatureCache, Features, extract
from lightprobe.head import OpticalRidge
from lightprobe.images import ImageSet, require_every_class
from lightprobe.selection import Candidate, Selection, affordable_taps, choices, select, stage_cuts

if TYPE_CHECKING:
    from lightprobe.classifier.asking import PhotoClassifier
    from lightprobe.classifier.image_classifier import ImageClassifier


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    Attributes
    ----------
    images : ImageSet
        The photos that could be decoded.
    network : Network
        Up to its last layer, whatever won.
    features : Features
    selection : Selection
        Its candidates end with those that memory left no room for.
    cut_gain : float or None
        Where stages were compared: accuracy of the winner less that of the best of the last layer.
    """

    images: ImageSet
    network: Network
    features: Features
    selection: Selection
    cut_gain: float | None


def compare(model: "ImageClassifier", images: ImageSet, kernel: str, head: OpticalRidge) -> Compared:
    """Look at the photos once and compare everything that the model's parameters leave open.

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
    backbone = create_backbone(
        model.backbone,
        weights=model.weights,
        cut=None if every_stage else model.cut,
        image_size=model.image_size,
        random_state=model.random_state,
    )
    earlier = stage_cuts(backbone)[:-1] if every_stage else []
    # Sums grow as the square of a linear head's features, which flattened ones are too many for.
    pool = "avg" if model.pool == "auto" and model.keep == "sums" and kernel == "linear" else model.pool
    taps, dropped = affordable_taps(backbone, len(images), pool, model.max_memory, earlier)
    network, runner = Network.for_photos(
        images,
        backbone,
        taps,
        engine=model.engine,
        precision=model.precision,
        device=model.device,
        random_state=model.random_state,
    )
    features = look(model, images, backbone, runner, strict=model.strict)
    images = images.select(features.kept)
    require_every_class(images, "training photos that can be decoded")
    selection = select(
        features.matrices,
        images.labels,
        choices(taps, model.encode, kernel),
        head,
        groups=images.groups,
        progress=model.verbose,
    )
    gain = _gain_over(backbone.cut, selection.candidates) if every_stage else None
    for choice in choices(dropped, model.encode, kernel):
        selection.candidates.append(Candidate(choice, dropped=dropped[choice.tap]))
    return Compared(images, network, features, selection, gain)


def _gain_over(cut: str, candidates: list[Candidate]) -> float | None:
    last = [c.loo_accuracy for c in candidates if c.choice.tap.cut == cut and c.loo_accuracy is not None]
    won = candidates[0].loo_accuracy
    return None if won is None or not last else won - max(last)


def look(
    model: "PhotoClassifier", images: ImageSet, backbone: Backbone, runner: Runner, *, strict: bool
) -> Features:
    """Look at photos with a model's settings."""
    return extract(
        images,
        backbone,
        runner,
        batch_size=model.batch_size,
        workers=model.workers,
        cache=FeatureCache() if model.cache else None,
        strict=strict,
        progress=model.verbose,
    )
