"""Names to networks: the one inside the package, all of torchvision's classifiers, and timm's."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torchvision import models

from lightprobe.backbones.architecture import Architecture
from lightprobe.backbones.backbone import Backbone, find_cut, make_architecture
from lightprobe.backbones.cutting import CutInfo, cut_network, graph_of, measure, missing_data
from lightprobe.backbones.plain_cnn import PLAIN_CNNS, PLAIN_PREPROCESSING
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.timm_networks import (
    PREFIX,
    TimmArchitecture,
    fetch_weights,
    preprocessing_of,
    published_facts,
    weights_name,
)
from lightprobe.backbones.weights import Readers, download_weights, open_weights, read_facts, read_state
from lightprobe.errors import BackboneError, WeightsError

STARTER: Final = "starter"
_STARTER_BUILDER: Final = "regnet_y_400mf"
_STARTER_FILE: Final = Path(__file__).parent / "starter" / "starter.safetensors"
# Measured by leave-one-out on 2,527 photos of 3:4 (trash): 83.9 % squashed, 81.3 % with the centre square of
# the same scale, 79.5 % with seven eighths of that. Square photos do not tell the first two apart.
_STARTER_PREPROCESSING: Final = Preprocessing(resize=128, crop=128, fit="squash")

BACKBONES: Final = (STARTER, *models.list_models(module=models))


def create_backbone(
    name: str,
    *,
    weights: str | Path | None = None,
    cut: str | None = None,
    image_size: int | None = None,
    random_state: int = 0,
    arguments: Mapping[str, Any] | None = None,
) -> Backbone:
    """Make a frozen backbone.

    Parameters
    ----------
    name : str
        One of `BACKBONES`; `timm:NAME` with any of timm's image networks, e.g.
        `timm:vit_small_patch14_dinov2`; or one of `PLAIN_CNNS`, whose weights are yours or random.
    weights : str, Path or None
        None: the published ones (`starter`: those inside the package). A .safetensors, .pth or .pt file;
        a `FILE.json` beside it may hold `mean`, `std`, `resize`, `crop`, `interpolation`, `fit` and the
        builder's `arguments`. "random": initialised from `random_state`, as a baseline and for tests.
    cut : str or None
        The layer to end at; None for the last before pooling and classifier.
    image_size : int or None
        Pixels; None for the size that the weights are published with.
    random_state : int
        Seed of weights="random".
    arguments : mapping, optional
        Further arguments of the network's builder, which a file of facts beside the weights goes before.

    Raises
    ------
    BackboneError
        An unknown network or cut, or an image size that the network cannot take.
    WeightsError
        Weights that are missing, unreadable or another network's.
    """
    builder, preprocessing = _look_up(name)
    arguments = dict(arguments or {})
    path = None if weights is None or weights == "random" else Path(weights).expanduser()
    if name == STARTER and weights is None:
        path = _STARTER_FILE
    if path is not None:
        facts = read_facts(path)
        arguments |= facts.pop("arguments", {})
        preprocessing = Preprocessing.from_config(preprocessing.to_config() | facts)
    if image_size is not None:
        preprocessing = preprocessing.with_image_size(image_size)

    architecture = make_architecture(builder, preprocessing.crop, arguments)
    network, cuts = graph_of(architecture)
    end = cuts[-1] if cut is None else find_cut(cut, cuts, name)
    measure(architecture, (end,))  # refuses an image size before weights are fetched
    needed = missing_data(cut_network(architecture, [end.name]))
    if weights == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_state)
            whole = architecture.build(data=True).state_dict()
        state, label = {key: whole[key].clone() for key in needed}, f"random, seed {random_state}"
    else:
        readers, label = _fetch(architecture) if path is None else (open_weights(path), path.name)
        where = label if path is None else str(path)
        if isinstance(architecture, TimmArchitecture):
            readers = architecture.converted(readers, network)
        state = read_state(readers, needed, network.state_dict(), architecture.family, where)
    return Backbone(name, architecture, preprocessing, end.name, label, state)


@dataclass(frozen=True)
class BackboneInfo:
    """Facts about a network, for `lightprobe backbones NAME`.

    Parameters
    ----------
    name : str
    image_size : int
        Pixels.
    cuts : list of CutInfo
        In the order of execution; the last is the default.
    weights : str
        The published weights' name.
    url : str or None
        Where they are published, an address or a name on the Hugging Face hub; None for those inside the
        package.
    megabytes : float
        Their file's size; of timm's networks, what float32 takes.
    accuracy : float or None
        ImageNet top-1 of the published network, percent.
    licence : str or None
        Where torchvision or timm states one for the weights.
    """

    name: str
    image_size: int
    cuts: list[CutInfo]
    weights: str
    url: str | None
    megabytes: float
    accuracy: float | None
    licence: str | None


def describe_backbone(name: str, image_size: int | None = None) -> BackboneInfo:
    """Describe a network and every cut without reading any weights."""
    builder, preprocessing = _look_up(name)
    if image_size is not None:
        preprocessing = preprocessing.with_image_size(image_size)
    architecture = make_architecture(builder, preprocessing.crop, {})
    infos = list(measure(architecture, graph_of(architecture).cuts))
    url, accuracy, licence = None, None, None
    megabytes = infos[-1].parameters / infos[-1].share * 4 / 1e6  # in float32
    if name == STARTER:
        weights, licence, megabytes = _STARTER_FILE.name, "Apache-2.0", _STARTER_FILE.stat().st_size / 1e6
    elif isinstance(architecture, TimmArchitecture):
        facts = published_facts(name)
        weights, url, licence = weights_name(name), facts.hf_hub_id or facts.url or None, facts.license
    elif name in PLAIN_CNNS:
        weights = "none published"
    else:
        enum = models.get_model_weights(builder).DEFAULT
        weights, url, licence = str(enum), enum.url, enum.meta.get("license")
        megabytes = enum.meta["_file_size"] * 2**20 / 1e6
        accuracy = enum.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    return BackboneInfo(name, preprocessing.crop, infos, weights, url, megabytes, accuracy, licence)


def _fetch(architecture: Architecture) -> tuple[Readers, str]:
    """Read the published weights of a network; their name."""
    if architecture.builder in PLAIN_CNNS:
        raise WeightsError(
            f"There are no published weights of {architecture.builder}: train it with --method scratch, "
            "and name what that writes with --weights."
        )
    if isinstance(architecture, TimmArchitecture):
        return fetch_weights(architecture)
    enum = models.get_model_weights(architecture.builder).DEFAULT
    return download_weights(enum, architecture.builder), str(enum)


def _look_up(name: str) -> tuple[str, Preprocessing]:
    """Name a network's builder and the preprocessing of its published weights."""
    if name == STARTER:
        return _STARTER_BUILDER, _STARTER_PREPROCESSING
    if name.startswith(PREFIX):
        return name, preprocessing_of(name)
    if name in PLAIN_CNNS:
        return name, PLAIN_PREPROCESSING
    if "," in name:
        raise BackboneError(
            f"{name!r} names several networks, and only `train` in closed form sees through several at once: "
            "name one here."
        )
    if name not in BACKBONES:
        near = difflib.get_close_matches(name, BACKBONES, n=3, cutoff=0.5)
        hint = f"near it are {', '.join(near)}, and " if near else ""
        raise BackboneError(f"There is no backbone {name!r}; {hint}`lightprobe backbones` lists them all.")
    preset = models.get_model_weights(name).DEFAULT.transforms()
    return name, Preprocessing(
        resize=preset.resize_size[0],
        crop=preset.crop_size[0],
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=preset.interpolation.value,
    )
