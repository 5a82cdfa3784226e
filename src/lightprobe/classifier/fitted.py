"""A fitted closed-form classifier: one value, its answers, and its form on disk."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Parts, Preprocessing
from lightprobe.classifier.answers import EncodedAnswerer, Explainer
from lightprobe.classifier.levels import Gained
from lightprobe.classifier.settings import Settings
from lightprobe.classifier.training_record import TrainingRows, TrainingSums
from lightprobe.errors import OptionError
from lightprobe.features import TapSet
from lightprobe.head import Conformal, FittedHead, Novelty, check_coverage, check_rate
from lightprobe.optics import ENCODERS
from lightprobe.photo_model import (
    Answerer,
    LeftOut,
    Network,
    PhotoModel,
    Prediction,
    named,
    network_facts,
    optical_card,
)
from lightprobe.selection import Candidate, Choice
from lightprobe.versions import versions_of

# Whose versions a saved model records.
VERSIONS: Final = ("openvino", "numpy", "scikit-learn")


@dataclass(frozen=True, eq=False)
class Fitted(PhotoModel):
    """Frozen networks, an encoding, a kernel, ridge; nothing of it is ever changed.

    Attributes
    ----------
    settings : Settings
        What it was fitted with.
    choice : Choice
        The winner of what leave-one-out compared.
    candidates : tuple of Candidate
        All of that, the winner first.
    head : FittedHead
    novelty : Novelty
    conformal : Conformal or None
        What sets of labels are made by; None in a model from before there were any that keeps no features.
    record : TrainingRows, TrainingSums or None
        What is kept of the training photos.
    paths : tuple of str, length n_train
        Their names, in the order of `head.loo_scores`; empty in a model that was loaded and keeps nothing.
    optimism : float
        What `head.loo_accuracy` owes to the choice among the candidates.
    loo_interval : tuple of float, or None
        95 % confidence interval of `head.loo_accuracy`, what is left out together erring together; None in an
        older model.
    cut_gain : float or None
        Where stages were compared: accuracy of the winner less that of the best of the last layers.
    gained : Gained or None
        What a level of quality was worth.
    n_groups : int or None
    n_cached : int
        Training photos whose features came from the cache.
    stale : bool
        Whether figures of leave-one-out are those of the last training, and the sums have changed since.
    """

    settings: Settings
    choice: Choice
    candidates: tuple[Candidate, ...]
    head: FittedHead
    novelty: Novelty
    record: TrainingRows | TrainingSums | None
    paths: tuple[str, ...]
    optimism: float
    conformal: Conformal | None = None
    loo_interval: tuple[float, float] | None = None
    cut_gain: float | None = None
    gained: Gained | None = None
    n_groups: int | None = None
    n_cached: int = 0
    stale: bool = False

    @property
    def tap_set(self) -> TapSet:
        """The features that leave-one-out preferred."""
        return self.choice.taps

    def encode(self, features: NDArray[np.float16]) -> NDArray[Any]:
        """Encode features (n, d) as the head takes them."""
        return ENCODERS[self.choice.encode](features)

    def scores(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Scores (n, n_classes) of features (n, d)."""
        return self.head.scores(self.encode(features))

    def probabilities(self, features: NDArray[np.float16]) -> NDArray[np.float64]:
        """Probabilities (n, n_classes) of features (n, d)."""
        return self.head.probabilities(self.encode(features))

    def answerer(self, top: int, unknown: float | None, why: int, coverage: float | None = None) -> Answerer:
        """Return what answers; OptionError where `unknown`, `why` or `coverage` cannot be said."""
        if unknown is not None:
            check_rate(unknown)
        explainer = self.explainer if why else None
        sets = None if coverage is None else self.require_sets(coverage)
        return lambda features: self.answers(
            self.encode(features), top, unknown, explainer, why, sets, coverage
        )

    def require_sets(self, coverage: float) -> Conformal:
        """Return what makes sets of labels; OptionError where coverage or model do not allow them."""
        check_coverage(coverage)
        if self.conformal is None:
            raise OptionError(
                "This model is from before answers had a coverage, and keeps no features of its training "
                "photos to make up for it: train again."
            )
        return self.conformal

    def label_set(self, answer: Prediction, coverage: float) -> tuple[str, ...]:
        """Return the labels, most probable first, of an answer that names all classes, at a coverage."""
        place = {name: label for label, name in enumerate(self.classes)}
        probabilities = np.zeros((1, len(self.classes)))
        probabilities[0, [place[name] for name in answer.labels]] = answer.probabilities
        (held,) = self.require_sets(coverage).holds(probabilities, coverage)
        return tuple(name for name in answer.labels if held[place[name]])

    @cached_property
    def answers(self) -> EncodedAnswerer:
        """What turns encoded features into answers; prepared once."""
        rows = self.record.rows if isinstance(self.record, TrainingRows) else None
        return EncodedAnswerer(self.head, self.classes, self.novelty, rows)

    @cached_property
    def explainer(self) -> Explainer:
        """What names the training photos that argued; OptionError if the model keeps no features of them."""
        if not isinstance(self.record, TrainingRows):
            raise OptionError(
                "This model keeps no features of its training photos, so none can be named: "
                "train again, with `keep='features'`."
            )
        return Explainer(self.head, self.classes, self.record)

    def left_out(self) -> LeftOut | None:
        """Answer for each training photo by the model that never saw it; None where nothing is kept."""
        if not isinstance(self.record, TrainingRows | TrainingSums) or not len(self.head.loo_scores):
            return None
        probabilities = self.head.calibration.probabilities(self.head.loo_scores)
        return self.paths, self.record.labels, probabilities

    def known_digests(self) -> NDArray[np.uint8]:
        """Digests (n, 20) of the training photos' bytes; none of a model that keeps nothing."""
        return super().known_digests() if self.record is None else self.record.digests

    def facts(self) -> dict[str, Any]:
        """Describe it in JSON values, for a run's row."""
        return {
            "method": "optical",
            **network_facts(self.networks),
            **self.choice.to_config(),
            "components": self.head.decision.n_components or "exact",
            "alpha": self.head.alpha,
            "alpha_relative": self.head.alpha_relative,
            "n_train": self.n_train,
            "n_groups": self.n_groups,
            "loo_accuracy": self.head.loo_accuracy,
            "loo_accuracy_ci95": self.loo_interval,
            "loo_balanced_accuracy": self.candidates[0].loo_balanced_accuracy,
            "optimism": self.optimism,
            "cut_gain": self.cut_gain,
            "novelty": "scores and neighbours" if self.novelty.by_neighbours else "scores",
            "quality": self.gained and self.gained.asked,
            "quality_taken": self.gained and self.gained.taken,
            "quality_gain": self.gained and self.gained.gain,
            "quality_gain_se": self.gained and self.gained.error,
            "cached": ["features"] if self.n_cached else [],
            "candidates": [candidate.to_config() for candidate in self.candidates],
        }

    def to_tensors(self, parameters: dict[str, Any]) -> tuple[Parts, dict[str, Any], str]:
        """Take it apart: tensors, the networks' up to their cuts among them, plain values, and a card."""
        arrays, head = self.head.to_arrays()
        if not isinstance(self.record, TrainingRows):
            # One row a photo: as much a trace of it as its name.
            arrays["loo_scores"] = arrays["loo_scores"][:0]
        first, *others = self.networks
        tensors, network = first.to_tensors()
        beside = []
        for place, other in enumerate(others):
            its_tensors, its_config = other.to_tensors()
            same = (known.backbone.is_same_network(other.backbone) for known in self.networks)
            if (earlier := list(same).index(True)) <= place:  # another look of a network that is there
                its_config["network"] = earlier
            else:
                tensors |= {f"beside.{place}.{name}": tensor for name, tensor in its_tensors.items()}
            beside.append(its_config)
        tensors |= _tensors("head", arrays) | _tensors("novelty", vars(self.novelty))
        if self.conformal is not None:
            tensors |= _tensors("conformal", vars(self.conformal))
        kept = None
        if isinstance(self.record, TrainingRows):
            rows, kept = self.record.to_arrays(self.head)
            tensors |= _tensors("kept", rows)
        elif self.record is not None:
            tensors |= _tensors("sums", self.record.to_arrays())
        config = {
            "method": "optical",
            "versions": {"python": platform.python_version(), **versions_of(*VERSIONS)},
            "classes": list(self.classes),
            "label_kind": self.label_kind,
            "parameters": parameters,
            **network,
            "beside": beside,
            "choice": self.choice.to_config(),
            "candidates": [candidate.to_config() for candidate in self.candidates],
            "head": head,
            "loo_accuracy": self.head.loo_accuracy,
            "loo_accuracy_ci95": self.loo_interval,
            "optimism": self.optimism,
            "cut_gain": self.cut_gain,
            "novelty": "scores and neighbours" if self.novelty.by_neighbours else "scores",
            "gained": self.gained and self.gained.to_config(),
            "n_train": self.n_train,
            "n_groups": self.n_groups,
            "seconds": self.seconds,
            "paths": [] if self.record is None else list(self.paths),
            "kept": kept,
            "sums": isinstance(self.record, TrainingSums),
            "stale": self.stale,
        }
        return tensors, config, optical_card(config)

    @classmethod
    def from_tensors(cls, tensors: Parts, config: Mapping[str, Any]) -> Self:
        """Build it again.

        Raises
        ------
        KeyError, TypeError, ValueError
            Something is missing, or parts do not fit each other.
        """
        classes = tuple(config["classes"])
        networks = [Network.from_tensors(tensors, config)]
        for place, other in enumerate(config.get("beside", ())):  # which old models do not have
            if "network" in other:
                how = Preprocessing.from_config(other["backbone"]["preprocessing"])
                first = networks[other["network"]]
                networks.append(first.looking_as(replace(first.backbone, preprocessing=how)))
            else:
                networks.append(Network.from_tensors(named(tensors, f"beside.{place}."), other))
        head = FittedHead.from_arrays(_arrays(tensors, "head"), config["head"])
        if head.n_classes != len(classes):
            raise ValueError("the head and the list of classes differ in length")
        novelty = _arrays(tensors, "novelty")
        paths = tuple(config["paths"])
        record: TrainingRows | TrainingSums | None = None
        if config["kept"] is not None:
            record = TrainingRows.from_arrays(_arrays(tensors, "kept"), config["kept"], paths, head)
        elif config.get("sums"):  # which older models do not know of
            record = TrainingSums.from_arrays(_arrays(tensors, "sums"), paths, head)
        interval = config.get("loo_accuracy_ci95")
        conformal = None  # in models from before there was one
        if sets := _arrays(tensors, "conformal"):
            conformal = Conformal.from_arrays(sets, head.n_classes)
        elif isinstance(record, TrainingRows):
            conformal = Conformal.of(head, record.labels, record.units())
        return cls(
            classes=classes,
            label_kind=config.get("label_kind", "str"),  # which older models do not have
            networks=tuple(networks),
            n_train=config["n_train"],
            seconds=config["seconds"],
            skipped=(),
            settings=Settings.of(config["parameters"]),
            choice=Choice.from_config(config["choice"]),
            candidates=tuple(Candidate.from_config(candidate) for candidate in config["candidates"]),
            head=head,
            novelty=Novelty(
                novelty["reference"],
                novelty["centre"],
                novelty["spread"],
                novelty.get("weight", np.ones(len(novelty["centre"]))),  # equal in older models
            ),
            record=record,
            paths=paths,
            optimism=config["optimism"],
            conformal=conformal,
            loo_interval=None if interval is None else (float(interval[0]), float(interval[1])),
            cut_gain=config["cut_gain"],
            gained=Gained(**config["gained"]) if config.get("gained") else None,
            n_groups=config["n_groups"],
            stale=config.get("stale", False),
        )


def _tensors(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Parts:
    return {f"{prefix}.{name}": np.ascontiguousarray(a) for name, a in arrays.items()}


def _arrays(tensors: Parts, prefix: str) -> dict[str, NDArray[Any]]:
    return dict(named(tensors, f"{prefix}."))
