"""Photos become a part: sums over what the network sees in them, and their features beside these."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lightprobe.backbones import Backbone
from lightprobe.classifier import ImageClassifier, Settings
from lightprobe.cluster.part import Part, check_place, features_path, write_features, write_part
from lightprobe.cluster.sharding import Shard, list_digest
from lightprobe.errors import DataError, OptionError
from lightprobe.features import BackboneRunner, extract_tap_sets, taps_of
from lightprobe.head import HeadOptions, sum_classes, unfitted
from lightprobe.images import ImageSet, count_skipped, require_every_class
from lightprobe.json_text import to_json
from lightprobe.optics import ENCODERS
from lightprobe.photo_model import Network
from lightprobe.ridge import Rows
from lightprobe.runtime import Runtime
from lightprobe.selection import Available, Choice, choices, list_tap_sets

COMPONENTS: Final = 4096  # structured optical components, where no number is given
# What says which photos are looked at how, and what is compared: a part keeps it, and merging reads it.
PARAMETERS: Final = (
    "backbone", "weights", "cut", "looks", "image_size", "mean", "std", "pool", "encode", "kernel",
    "components", "projection", "random_state", "engine", "precision", "class_map", "classes", "group",
)  # fmt: skip


class EncodedRows:
    """Encoded features (n, m), made of features a block of rows at a time."""

    def __init__(self, features: Rows, encode: str) -> None:
        self._features, self._encode = features, ENCODERS[encode]
        self.dtype = self._encode(features[np.arange(1)]).dtype
        width = self._encode(features[np.arange(1)]).shape[1]
        self.shape = (features.shape[0], width)

    def __getitem__(self, index: NDArray[np.intp]) -> NDArray[Any]:
        return self._encode(np.asarray(self._features[index]))


def sum_photos(
    images: ImageSet,
    classifier: ImageClassifier,
    out: Path,
    *,
    shard: Shard | None = None,
    site: str = "",
    features: bool = True,
    min_per_class: int = 1,
) -> Part:
    """Look at the training photos of a shard once, and write sums over them.

    Parameters
    ----------
    images : ImageSet
        The whole list, the same for all shards of it; its test photos are left alone.
    classifier : ImageClassifier
        Unfitted; its parameters say what is looked at how, and what is compared: of the kernel, "auto" stands
        for the linear one and for 4,096 structured optical components.
    out : Path
        The file of sums, which ends in .safetensors.
    shard : Shard, optional
        Which of the photos; all without it.
    site : str
        Whose photos they are: it stands before their names in a model of several lists, and tells lists
        apart whose photos have the same names.
    features : bool
        Whether what was seen in each photo is written beside the sums, for exact leave-one-out.
    min_per_class : int
        The fewest photos of a class that sums may be over.

    Raises
    ------
    LightprobeError
        If the data or a parameter cannot be used, or a class has too few photos.
    """
    check_place(out)
    settings, runtime = summable(classifier), classifier.runtime
    listed = images.training
    require_every_class(listed, "training photos")
    shard = shard or Shard(1, 1)
    own = shard.places(listed)
    mine = listed.select(own)
    backbones = settings.create_backbones(runtime, settings.level)
    available = tap_sets_of(settings, backbones, len(mine))
    wanted = choices(available.tap_sets, settings.encode, settings.kernel)
    networks, runners = _settled(mine, backbones, available, runtime)
    seen = extract_tap_sets(mine, runners, available.tap_sets, runtime)
    labels = mine.labels[seen.kept]
    _require_enough(labels, listed.classes, min_per_class)
    start = time.perf_counter()
    sums = []
    for choice in wanted:
        rows, options = (
            EncodedRows(seen.matrices[choice.taps], choice.encode),
            options_of(choice, settings, runtime),
        )
        decision = unfitted(options, rows.shape[1], rows.dtype, len(listed.classes))
        sums.append(
            sum_classes(decision, rows, labels, len(listed.classes), options.solve_device).to_arrays()
        )
    seconds = time.perf_counter() - start
    matrices = [seen.matrices[taps] for taps in available.tap_sets]
    parameters = classifier.saved_parameters()
    kept = mine.select(seen.kept)
    part = Part(
        out,
        fit=shared_facts(settings, runtime, networks, wanted, listed.classes),
        runs=[_run_of(network) for network in networks],
        parameters={name: parameters[name] for name in PARAMETERS},
        site=site,
        photos=list_digest(listed, site),
        n_listed=len(listed),
        n_own=len(mine),
        shard=shard,
        names=list(kept.paths),
        groups=None if kept.groups is None else kept.groups.tolist(),
        skipped=seen.skipped + (images.skipped if shard.number == 1 else ()),
        widths=[matrix.shape[1] for matrix in matrices],
        features=write_features(out, matrices) if features else [],
        seconds={"features": seen.seconds, "sums": seconds},
        label_kind=images.label_kind,
    )
    index: dict[str, NDArray[Any]] = {
        "labels": labels,
        "digests": seen.digests,
        "places": own[seen.kept].astype(np.int64),
    }
    write_part(part, index, sums)
    return replace(part, index=index)


def summable(classifier: ImageClassifier) -> Settings:
    """Return what a classifier says is fitted, checked to be what sums can give.

    Raises
    ------
    OptionError
        If it is not.
    """
    settings = replace(classifier.settings, keep="sums")
    runtime = classifier.runtime
    if settings.components == "exact":
        raise OptionError(
            "`components='exact'` compares each photo with every other, which no sum over photos can say: "
            f"give a number ({COMPONENTS} without it)."
        )
    if runtime.precision == "int8":
        raise OptionError(
            "`precision='int8'` is calibrated on some of the photos, of which every shard has others: take "
            "`precision='bf16'` or `precision='fp32'`."
        )
    if settings.backbone is None and settings.quality != "fast":
        raise OptionError(
            f"`quality='{settings.quality}'` chooses networks by all photos, and a shard has some: name the "
            "networks with `backbone`."
        )
    if settings.kernel != "linear" and settings.components == "auto":
        settings = replace(settings, components=COMPONENTS)
    elif settings.kernel == "auto":  # a number of components asks for the optical kernel, as for `train`
        settings = replace(settings, kernel="optical")
    known = settings if settings.kernel != "auto" else replace(settings, kernel="optical")
    known.check(runtime)
    return settings


def tap_sets_of(settings: Settings, backbones: list[Backbone], n_photos: int) -> Available:
    """List the layers that are compared."""
    return list_tap_sets(
        backbones, n_photos, settings.used_pool, settings.max_memory, every_stage=settings.cut == "auto"
    )


def options_of(choice: Choice, settings: Settings, runtime: Runtime) -> HeadOptions:
    """Return what the head of one candidate is told."""
    return replace(settings.head_options(runtime), kernel=choice.kernel)


def shared_facts(
    settings: Settings,
    runtime: Runtime,
    networks: list[Network],
    wanted: list[Choice],
    classes: tuple[str, ...],
) -> dict[str, Any]:
    """Return what all parts of one model must share, in JSON values."""
    facts = {
        "classes": list(classes),
        "candidates": [choice.to_config() for choice in wanted],
        "networks": [
            [network.backbone.digest, network.backbone.cut, network.backbone.preprocessing.to_config()]
            for network in networks
        ],
        "random features": [settings.components, settings.projection]
        if any(choice.kernel == "optical" for choice in wanted)
        else None,
        "seed": runtime.seed,
    }
    plain: dict[str, Any] = json.loads(to_json(facts))  # as they are read again
    return plain


def _settled(
    images: ImageSet, backbones: list[Backbone], available: Available, runtime: Runtime
) -> tuple[list[Network], list[BackboneRunner]]:
    """Settle what runs each network, looks of one network sharing it."""
    networks: list[Network] = []
    runners: list[BackboneRunner] = []
    for place, backbone in enumerate(backbones):
        taps = taps_of(available.tap_sets, place)
        same = next((known for known in networks if known.backbone.is_same_network(backbone)), None)
        if same is None:
            network, runner = Network.for_photos(images, backbone, taps, runtime)
        else:
            network = same.looking_as(backbone)
            runner = network.compiled(taps, runtime.device)
        networks.append(network)
        runners.append(runner)
    return networks, runners


def _run_of(network: Network) -> dict[str, Any]:
    agreement = network.agreement if np.isfinite(network.agreement) else None
    return {
        "engine": network.engine,
        "precision": network.precision,
        "agreement": agreement,
        "weight_bytes": network.weight_bytes,
    }


def _require_enough(labels: NDArray[np.int64], classes: tuple[str, ...], least: int) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    few = [f"{name} ({n})" for name, n in zip(classes, counts, strict=True) if 0 < n < least]
    if few:
        raise DataError(
            f"Of {', '.join(few[:5])} there are fewer than {least} photos here, and the sum of few photos "
            "shows what they are: leave the class out with `class_map`, cut into fewer shards, or lower "
            "`min_per_class`."
        )


def summary(part: Part) -> dict[str, Any]:
    """Describe a part in JSON values, for who made it."""
    files = [part.path, *(features_path(part.path, i) for i in range(len(part.features)))]
    counts = np.bincount(part.labels, minlength=len(part.fit["classes"]))
    return {
        "file": str(part.path),
        "features": [str(path) for path in files[1:]],
        "bytes": sum(path.stat().st_size for path in files),
        "shard": str(part.shard),
        "n_listed": part.n_listed,
        "n": len(part),
        "n_skipped": count_skipped(part.skipped),
        "per_class": dict(zip(part.fit["classes"], counts.tolist(), strict=True)),
        "candidates": part.fit["candidates"],
        "engine": part.runs[0]["engine"],
        "precision": part.runs[0]["precision"],
        "seconds": part.seconds,
    }
