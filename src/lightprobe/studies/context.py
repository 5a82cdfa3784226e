"""What every study works with: photos looked at once a network, fits, and the rows that come of them."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe._version import __version__
from lightprobe.backbones import DEFAULT, Backbone, Pool, Tap, backbone_for
from lightprobe.backprop import GradientClassifier
from lightprobe.classifier import Settings
from lightprobe.errors import ImageError, OptionError
from lightprobe.features import Features, TapSet, extract, image_digest
from lightprobe.head import FittedHead, fit_head
from lightprobe.images import ImageSet, count_skipped, require_every_class
from lightprobe.optics import ENCODERS
from lightprobe.photo_model import Network
from lightprobe.runs import peak_rss_mb, wilson_interval
from lightprobe.runtime import Runtime
from lightprobe.selection import Choice

Row = dict[str, Any]

# What stands for "auto" in a study, which varies one thing and holds the others: on every set of photos
# measured so far, leave-one-out preferred these.
POOL: Final[Pool] = "avg"
ENCODE, KERNEL = "l2", "optical"
TIMES = 4  # that a forward pass is timed
KEPT_LOOKS = 2  # looks at the photos that are held in memory


@dataclass(frozen=True)
class Look:
    """What one network saw in the photos.

    Attributes
    ----------
    network : Network
    train, test : Features
        `test` has no rows where there are no test photos.
    labels, test_labels : ndarray of int64
    groups : ndarray or None
    """

    network: Network
    train: Features[Tap]
    test: Features[Tap] | None
    labels: NDArray[np.int64]
    test_labels: NDArray[np.int64]
    groups: NDArray[np.str_] | None

    @property
    def seconds_a_photo(self) -> float:
        """What looking at one training photo costs, decoding included."""
        return self.train.seconds / max(len(self.labels), 1)

    @property
    def is_cached(self) -> bool:
        """Whether features came from the cache; their seconds are then those recorded."""
        return self.train.n_cached > 0


class StudyContext:
    """Photos and settings of a study.

    Parameters
    ----------
    images : ImageSet
        Training photos and, if it has them, test photos.
    settings : Settings
        What they say holds for every run, but for what the study varies.
    runtime : Runtime
    learners : mapping of str to LinearProbe, FineTune or Scratch, optional
        Methods by gradients, unfitted.

    Raises
    ------
    OptionError
        There are learners and no test photos, which alone compare them with the closed form.
    """

    def __init__(
        self,
        images: ImageSet,
        settings: Settings,
        runtime: Runtime,
        learners: Mapping[str, GradientClassifier] | None = None,
    ) -> None:
        require_every_class(images.training, "training photos")
        if learners and images.test is None:
            raise OptionError(
                "There are no test photos to compare methods on: keep some with --test-fraction 0.2."
            )
        self.images, self.settings, self.runtime = images, settings, runtime
        self.learners = dict(learners or {})
        self._looks: dict[str, Look] = {}
        self._forward: dict[tuple[str, Tap], float] = {}

    @cached_property
    def photos_digest(self) -> str:
        """Digest of all photos' bytes, names, labels, splits and groups."""
        images = self.images
        digest = hashlib.blake2b(digest_size=16)
        for index, path in enumerate(images.paths):
            group = "" if images.groups is None else images.groups[index]
            split, label = images.splits[index], images.classes[images.labels[index]]
            digest.update(json.dumps([path, str(label), str(split), str(group)]).encode())
            try:
                digest.update(image_digest(images.read(index)))
            except ImageError:
                digest.update(b"unreadable")
        return digest.hexdigest()

    def backbone(self, *, name: str | None = None, weights: Any = None, **changes: Any) -> Backbone:
        """Create the settings' network, or another."""
        settings = self.settings
        # A study says which layers it compares: "auto" is the last one here.
        cut = None if settings.cut == "auto" else settings.cut
        options = {"cut": cut, "image_size": settings.image_size, **changes}
        if name is None:
            options |= {"mean": settings.mean, "std": settings.std}
            # Several networks are refused there: a study compares them by its own means.
            named = settings.backbone or DEFAULT
            name = ",".join([named] if isinstance(named, str) else named)
            weights = settings.weights
        return backbone_for(self.runtime, name, weights=weights, **options)

    @property
    def pool(self) -> Pool:
        """How a layer's output is pooled."""
        pool = self.settings.pool
        return POOL if pool == "auto" else pool

    @property
    def encode(self) -> str:
        """How features are encoded."""
        return ENCODE if self.settings.encode == "auto" else self.settings.encode

    @property
    def kernel(self) -> str:
        """The kernel."""
        kernel = self.settings.asked_kernel
        return KERNEL if kernel == "auto" else kernel

    def choice(self, backbone: Backbone, **changes: Any) -> Choice:
        """Return the settings' way from features to scores, or another."""
        pool, cut = changes.get("pool", self.pool), changes.get("cut", backbone.cut)
        encode, kernel = changes.get("encode", self.encode), changes.get("kernel", self.kernel)
        return Choice(TapSet.of(Tap(cut, pool)), encode, kernel)

    def fit(self, X: NDArray[Any], look: Look, **changes: Any) -> FittedHead:
        """Fit a head of the settings, or another, to a look's training photos as encoded."""
        options = replace(self.settings.head_options(self.runtime), **changes)
        options.check()
        return fit_head(X, look.labels, len(self.images.classes), options, groups=look.groups)

    def look(
        self,
        backbone: Backbone,
        taps: Sequence[Tap],
        *,
        precision: str | None = None,
        batch_size: int | None = None,
        cache: bool = True,
    ) -> Look:
        """Look at all photos with a network, once; the latest looks are remembered."""
        name = repr((backbone.digest, backbone.preprocessing, taps, precision, batch_size))
        if name in self._looks:
            return self._looks[name]
        train, test = self.images.training, self.images.test
        runtime = replace(
            self.runtime,
            precision=precision or self.runtime.precision,
            batch_size=batch_size or self.runtime.batch_size,
            cache=cache and self.runtime.cache,
        )
        network, compiled = Network.for_photos(train, backbone, taps, runtime)
        seen = extract(train, compiled, runtime)
        train = train.select(seen.kept)
        require_every_class(train, "training photos that can be decoded")
        seen_test = None if test is None else extract(test, compiled, runtime)
        test_labels = np.empty(0, np.int64)
        if test is not None and seen_test is not None:
            test_labels = test.select(seen_test.kept).labels
        look = Look(network, seen, seen_test, train.labels, test_labels, train.groups)
        self._looks = dict(list(self._looks.items())[1 - KEPT_LOOKS :]) | {name: look}
        return look

    def forward_seconds(self, look: Look, tap: Tap) -> float:
        """Seconds a photo that a look's network takes up to a layer, without decoding: the best of a few."""
        key = look.network.backbone.digest, tap
        if key not in self._forward:
            network = look.network.at(tap.cut)
            runner = network.compiled([tap], self.runtime.device).runner
            side = network.backbone.preprocessing.crop
            batch = np.random.default_rng(0).integers(
                0, 256, (self.runtime.batch_size, side, side, 3), dtype=np.uint8
            )
            runner(batch)
            times = []
            for _ in range(TIMES):
                start = time.perf_counter()
                runner(batch)
                times.append(time.perf_counter() - start)
            self._forward[key] = min(times) / len(batch)
        return self._forward[key]

    def tested(self, look: Look, choice: Choice, head: FittedHead) -> NDArray[np.bool_] | None:
        """Tell which test photos a fitted head gets right."""
        if look.test is None:
            return None
        encoded = ENCODERS[choice.encode](look.test.matrices[choice.taps.taps[0]])
        return np.asarray(head.scores(encoded).argmax(axis=1) == look.test_labels)

    def row(
        self, look: Look, choice: Choice, head: FittedHead, right: NDArray[np.bool_] | None, **more: Any
    ) -> Row:
        """Describe a fitted head: the keys that every run's row has, and `more`.

        `right` tells which test photos it answers right; None where there are none.
        """
        n = len(head.loo_scores)
        fitting = head.seconds
        seconds = {"features": n * look.seconds_a_photo, **fitting}
        row = {
            **self.facts(look, choice),
            "components": head.decision.n_components or "exact",
            "alpha": head.alpha,
            "alpha_relative": head.alpha_relative,
            "n_train": n,
            **test_figures(right),
            "loo_accuracy": head.loo_accuracy,
            "head_bytes": head.n_bytes,
            "peak_rss_mb": peak_rss_mb(),
            "seconds": {**seconds, "total": sum(seconds.values())},
        }
        row["model_bytes"] = row["weight_bytes"] + row["head_bytes"]
        return row | more

    def facts(self, look: Look, choice: Choice) -> Row:
        """Describe how photos were looked at."""
        network = look.network
        return {
            "method": "optical",
            "backbone": network.backbone.name,
            "cut": choice.taps.cut,
            "image_size": network.backbone.preprocessing.crop,
            "precision": network.precision,
            "engine": network.engine,
            "weight_bytes": network.weight_bytes,
            "agreement": None if np.isnan(network.agreement) else network.agreement,
            "pool": choice.taps.pool,
            "encode": choice.encode,
            "kernel": choice.kernel,
            "n_classes": len(self.images.classes),
            "n_skipped": count_skipped(
                look.train.skipped + (look.test.skipped if look.test else ()) + self.images.skipped
            ),
            "n_groups": None if look.groups is None else len(np.unique(look.groups)),
            "seed": self.runtime.seed,
            "version": __version__,
            "model": None,
            "cached": ["features"] if look.is_cached else [],
        }

    def run(self, look: Look, choice: Choice, **head: Any) -> Row:
        """Fit one head on one look and describe it."""
        X = ENCODERS[choice.encode](look.train.matrices[choice.taps.taps[0]])
        fitted = self.fit(X, look, kernel=choice.kernel, **head)
        return self.row(look, choice, fitted, self.tested(look, choice, fitted))


def test_figures(right: NDArray[np.bool_] | None) -> Row:
    """Accuracy on test photos, with its interval."""
    if right is None or not len(right):
        return {"n_test": 0, "test_accuracy": None, "test_accuracy_ci95": None}
    k, n = int(right.sum()), len(right)
    return {"n_test": n, "test_accuracy": k / n, "test_accuracy_ci95": list(wilson_interval(k, n))}


def smaller(look: Look, which: NDArray[np.intp]) -> Look:
    """Return a look at some of the training photos."""
    train = look.train
    return replace(
        look,
        train=replace(
            train,
            matrices={tap: matrix[which] for tap, matrix in train.matrices.items()},
            kept=train.kept[which],
            seconds=train.seconds * len(which) / max(len(look.labels), 1),
        ),
        labels=look.labels[which],
        groups=None if look.groups is None else look.groups[which],
    )
