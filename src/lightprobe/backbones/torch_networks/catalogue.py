"""Names to networks of torch's: all of torchvision's classifiers, timm's, and plain CNNs."""

import difflib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torchvision import models

from lightprobe.backbones.backbone import find_cut
from lightprobe.backbones.graphs import import_openvino, metadata_of, preprocessing_for
from lightprobe.backbones.info import BackboneInfo
from lightprobe.backbones.names import PACKAGED, PLAIN_CNNS, TIMM_PREFIX
from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.backbones.torch_networks.architecture import Architecture
from lightprobe.backbones.torch_networks.cutting import cut_network, graph_of, measure, missing_data
from lightprobe.backbones.torch_networks.plain_cnn import PLAIN_PREPROCESSING
from lightprobe.backbones.torch_networks.timm_networks import (
    TimmArchitecture,
    fetch_weights,
    preprocessing_of,
    published_facts,
    weights_name,
)
from lightprobe.backbones.torch_networks.torch_backbone import TorchBackbone, make_architecture
from lightprobe.backbones.torch_networks.weights import (
    Readers,
    download_weights,
    open_weights,
    read_facts,
    read_state,
)
from lightprobe.errors import BackboneError, OptionError, WeightsError


def create_network(
    name: str,
    *,
    weights: str | Path | None = None,
    cut: str | None = None,
    image_size: int | None = None,
    random_state: int = 0,
    arguments: Mapping[str, Any] | None = None,
) -> TorchBackbone:
    """Make a backbone of torch's; parameters and errors are those of `create_backbone`."""
    builder, preprocessing = _look_up(name)
    arguments = dict(arguments or {})
    path = None if weights is None or weights == "random" else Path(weights).expanduser()
    if path is not None:
        facts = read_facts(path)
        arguments |= facts.pop("arguments", {})
        preprocessing = Preprocessing.from_config(preprocessing.to_config() | facts)
    if image_size is not None:
        preprocessing = preprocessing.with_image_size(image_size)
    architecture = make_architecture(builder, preprocessing.crop, arguments)
    end, needed = _cut(architecture, cut, name)
    if weights == "random":
        state, label = _random(architecture, needed, random_state), f"random, seed {random_state}"
    else:
        readers, label = _fetch(architecture) if path is None else (open_weights(path), path.name)
        state = _read(architecture, readers, needed, label if path is None else str(path))
    return TorchBackbone(name, preprocessing, end, label, architecture, state)


def network_of_file(
    path: Path,
    name: str,
    weights: str | Path | None = None,
    *,
    cut: str | None = None,
    image_size: int | None = None,
    random_state: int = 0,
) -> TorchBackbone:
    """Build the network that a graph's file was made from, with the weights that it holds, or random ones.

    Raises
    ------
    BackboneError
        The file does not say which network of torch's it was.
    OptionError
        Weights are named beside those of the file.
    """
    if weights not in (None, "random"):
        raise OptionError(f"{name} holds its weights: leave `weights` out.")
    graph = import_openvino().Core().read_model(path)
    facts = metadata_of(graph)
    if "builder" not in facts:
        raise BackboneError(
            f"{name} is a graph that torch does not know, which OpenVINO runs, on the CPU: torch's engine, "
            "other devices and training by gradients take networks of torchvision's and timm's."
        )
    preprocessing = preprocessing_for(path, facts, None, image_size=image_size, mean=None, std=None)
    architecture = make_architecture(facts["builder"], preprocessing.crop, facts.get("arguments", {}))
    end, needed = _cut(architecture, cut, name)
    if weights == "random":
        state, label = _random(architecture, needed, random_state), f"random, seed {random_state}"
    else:
        constants = {op.get_friendly_name(): op for op in graph.get_ops() if op.get_type_name() == "Constant"}
        known = graph_of(architecture).network.state_dict()
        readers: Readers = {key: partial(_tensor, constants[key]) for key in known if key in constants}
        state, label = _read(architecture, readers, needed, str(path)), path.name
    return TorchBackbone(name, preprocessing, end, label, architecture, state)


def _cut(architecture: Architecture, cut: str | None, name: str) -> tuple[str, dict[str, torch.Tensor]]:
    """Find the layer to end at, the last one without a name, and the tensors needed up to it."""
    cuts = graph_of(architecture).cuts
    end = cuts[-1] if cut is None else find_cut(cut, cuts, name)
    measure(architecture, (end,))  # refuses an image size before weights are fetched
    return end.name, missing_data(cut_network(architecture, [end.name]))


def _random(
    architecture: Architecture, needed: Mapping[str, torch.Tensor], random_state: int
) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        whole = architecture.build(data=True).state_dict()
    return {key: whole[key].clone() for key in needed}


def _read(
    architecture: Architecture, readers: Readers, needed: Mapping[str, torch.Tensor], where: str
) -> dict[str, torch.Tensor]:
    network = graph_of(architecture).network
    if isinstance(architecture, TimmArchitecture):
        readers = architecture.converted(readers, network)
    return read_state(readers, needed, network.state_dict(), architecture.family, where)


def _tensor(constant: Any) -> torch.Tensor:
    return torch.from_numpy(constant.get_data().copy())


def describe_network(name: str, image_size: int | None = None) -> BackboneInfo:
    """Describe a network and every cut without reading any weights."""
    builder, preprocessing = _look_up(name)
    if image_size is not None:
        preprocessing = preprocessing.with_image_size(image_size)
    architecture = make_architecture(builder, preprocessing.crop, {})
    infos = list(measure(architecture, graph_of(architecture).cuts))
    url, accuracy, licence = None, None, None
    megabytes = infos[-1].parameters / infos[-1].share * 4 / 1e6  # in float32
    if isinstance(architecture, TimmArchitecture):
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
            f"There are no published weights of {architecture.builder}: train it with `method='scratch'`, "
            "and name what that writes with `weights`."
        )
    if isinstance(architecture, TimmArchitecture):
        return fetch_weights(architecture)
    enum = models.get_model_weights(architecture.builder).DEFAULT
    return download_weights(enum, architecture.builder), str(enum)


def _look_up(name: str) -> tuple[str, Preprocessing]:
    """Name a network's builder and the preprocessing of its published weights."""
    if name.startswith(TIMM_PREFIX):
        return name, preprocessing_of(name)
    if name in PLAIN_CNNS:
        return name, PLAIN_PREPROCESSING
    known = [*PACKAGED, *models.list_models(module=models)]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
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
