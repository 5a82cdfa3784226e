"""Methods by gradients as arms of a study: each trains on the photos that the closed form was given."""

import hashlib
import json
from typing import Any

import numpy as np
from sklearn.base import clone

from lightprobe._version import __version__
from lightprobe.backprop import GradientClassifier
from lightprobe.images import ImageSet, count_skipped
from lightprobe.photo_model import evaluate
from lightprobe.runs import peak_rss_mb, with_total
from lightprobe.studies.context import Row, StudyContext, test_figures
from lightprobe.studies.study import Configuration

# Parameters of a learner that say how it runs, or that the study itself sets.
_NO_MATTER = (
    "workers",
    "cache",
    "strict",
    "verbose",
    "class_map",
    "classes",
    "group",
    "resume",
    "on_epoch",
    "recipe",
)


def arms(bench: StudyContext) -> list[Configuration]:
    """Name each learner, and what it is told, by a digest: what a configuration adds to the study's own."""
    return [{"method": method, "training": _digest(learner)} for method, learner in bench.learners.items()]


def learn(bench: StudyContext, method: str, images: ImageSet, **changes: Any) -> Row:
    """Train one method on some photos, its validation photos among them, and test it.

    Parameters
    ----------
    images : ImageSet
        Training photos.
    changes
        Parameters of the learner that the study varies.
    """
    learner: GradientClassifier = clone(bench.learners[method]).set_params(**changes)
    model = learner.fit(images).fitted
    asked = bench.images.test
    tested = None if asked is None else evaluate(model, asked, learner.runtime)
    skipped = {*model.skipped, *(tested.skipped if tested else ())}
    facts = model.facts()
    head_bytes = model.weight.nbytes + model.bias.nbytes
    return {
        **facts,
        **test_figures(
            None if tested is None else np.asarray(tested.probabilities.argmax(axis=1) == tested.labels)
        ),
        "n_classes": len(model.classes),
        "n_skipped": count_skipped(skipped),
        "head_bytes": head_bytes,
        "model_bytes": facts["weight_bytes"] + head_bytes,
        "peak_rss_mb": peak_rss_mb(),
        "seed": learner.random_state,
        "version": __version__,
        "model": None,
        "seconds": with_total(model.seconds),
    }


def _digest(learner: GradientClassifier) -> str:
    parameters = {k: str(v) for k, v in learner.get_params().items() if k not in _NO_MATTER}
    told = json.dumps([parameters, learner.chosen_recipe().to_config()], sort_keys=True)
    return hashlib.blake2b(told.encode(), digest_size=4).hexdigest()
