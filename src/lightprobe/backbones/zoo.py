"""Names and files to backbones: those inside the package, anyone's, torchvision's and timm's."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lightprobe.backbones.backbone import Backbone
from lightprobe.backbones.engines import needs_torch
from lightprobe.backbones.graphs import (
    GraphBackbone,
    graph_file,
    is_network_file,
    keep_graph,
    open_network_file,
    read_graph,
)
from lightprobe.backbones.info import BackboneInfo
from lightprobe.backbones.names import PACKAGED
from lightprobe.backbones.torchvision_names import torchvision_names
from lightprobe.devices import CPU, import_torch
from lightprobe.errors import BackboneError, OptionError
from lightprobe.runtime import Runtime

logger = logging.getLogger(__name__)

PACKAGED_FILES = Path(__file__).parent / "networks"


def create_backbone(
    name: str,
    *,
    weights: str | Path | None = None,
    cut: str | None = None,
    image_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    random_state: int = 0,
    arguments: Mapping[str, Any] | None = None,
    in_torch: bool = False,
) -> Backbone:
    """Make a frozen backbone.

    Parameters
    ----------
    name : str
        One of those inside the package, `efficientnet_lite0` and `efficientnet_lite2`; a file, `.onnx` or
        OpenVINO's `.xml`; one of torchvision's classification networks; `timm:NAME` with any of timm's
        image networks, e.g. `timm:vit_small_patch14_dinov2`; or one of `PLAIN_CNNS`, whose weights are
        yours or random.
    weights : str, Path or None
        None: the published ones. For networks of torchvision and timm a .safetensors, .pth or .pt file;
        a `FILE.json` beside it may hold `mean`, `std`, `resize`, `crop`, `interpolation`, `fit` and the
        builder's `arguments`. "random": initialised from `random_state`, as a baseline and for tests.
    cut : str or None
        The layer to end at; None for the last before pooling and classifier.
    image_size : int or None
        Pixels; None for the size that the weights are published with.
    mean, std : sequence of 3 floats or None
        Per channel, for pixels between 0 and 1, where a network's file does not say them.
    random_state : int
        Seed of weights="random".
    arguments : mapping, optional
        Further arguments of the network's builder, which a file of facts beside the weights goes before.
    in_torch : bool
        Make it a network of torch's, for the eager engine and for gradients; without it, torch's networks
        are converted to graphs, once on a machine, and torch is not imported again.

    Raises
    ------
    BackboneError
        An unknown network or cut, or an image size that the network cannot take.
    WeightsError
        Weights that are missing, unreadable or another network's.
    MissingExtraError
        A network of torch's where torch is not installed.
    """
    if is_packaged_or_file(name):
        if in_torch:
            return _torch_networks(name).network_of_file(  # type: ignore[no-any-return]
                _file_of(name), name, weights, cut=cut, image_size=image_size, random_state=random_state
            )
        if weights is not None:
            raise OptionError(
                f"{name} holds its weights: leave `weights` out, or name a network of torchvision's."
            )
        return open_network_file(
            _file_of(name), name=name, cut=cut, image_size=image_size, mean=mean, std=std
        )
    if mean is not None or std is not None:
        raise OptionError(f"{name} has its own mean and deviation: `mean` and `std` are for network files.")
    options = {
        "weights": None if weights is None else str(weights),
        "cut": cut,
        "image_size": image_size,
        "random_state": random_state,
        "arguments": dict(arguments or {}),
    }
    if in_torch:
        network: Backbone = _torch_networks(name).create_network(name, **options)
        return network
    # A file counts by what it holds; a seed changes random weights only.
    key = {**options, "weights": "random" if weights == "random" else _digests(weights)}
    if weights != "random":
        del key["random_state"]
    kept = graph_file({"network": name, **key}, "torch", "torchvision", "timm")
    found = read_graph(kept)
    if found is not None:
        return GraphBackbone.from_config(found[1], found[0])
    backbone = _torch_networks(name).create_network(name, **options)
    try:
        graph: GraphBackbone = backbone.as_graph()
    except BackboneError as error:
        logger.warning("%s Torch runs it instead, more slowly.", error)
        unconverted: Backbone = replace(backbone, refused=str(error))
        return unconverted
    keep_graph(kept, graph.to_tensors(), graph.to_config())
    return graph


def backbone_for(runtime: Runtime, name: str, **options: Any) -> Backbone:
    """Make a frozen backbone for the engine, the device and the seed of a runtime.

    Networks in files, those inside the package among them, are graphs, which run on the CPU, unless the
    runtime names torch's engine or another device: a GPU that is merely there changes nothing.

    Parameters
    ----------
    runtime : Runtime
    name, options
        As for `create_backbone`, whose errors are these.
    """
    device = CPU if runtime.device == "auto" and is_packaged_or_file(name) else runtime.device
    in_torch = needs_torch(runtime.engine, device, runtime.precision)
    return create_backbone(name, random_state=runtime.seed, in_torch=in_torch, **options)


def restore_backbone(config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Backbone:
    """Rebuild a backbone from its `to_config` and `to_tensors`; WeightsError where they do not fit."""
    if config.get("kind") == "graph":
        return GraphBackbone.from_config(config, tensors)
    restored: Backbone = _torch_networks(config["name"]).TorchBackbone.from_config(config, tensors)
    return restored


def list_backbones() -> list[str]:
    """List the networks that can be named here: inside the package, and torchvision's if it is installed."""
    return [*PACKAGED, *torchvision_names()]


def describe_backbone(
    name: str,
    image_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> BackboneInfo:
    """Describe a network and every cut; of torch's networks, no weights are read."""
    if not is_packaged_or_file(name):
        described: BackboneInfo = _torch_networks(name).describe_network(name, image_size)
        return described
    path = _file_of(name)
    # Layers do not depend on mean and deviation, which a file may not say.
    backbone = open_network_file(
        path, name=name, image_size=image_size, mean=mean or [0.0] * 3, std=std or [1.0] * 3
    )
    size = sum(part.stat().st_size for part in (path, path.with_suffix(".bin")) if part.is_file()) / 1e6
    licence = "Apache-2.0" if name in PACKAGED else None
    return BackboneInfo(
        name, backbone.preprocessing.crop, backbone.describe(), path.name, None, size, None, licence
    )


def is_packaged_or_file(name: str) -> bool:
    """Whether a name is that of a network in a file, inside the package or elsewhere."""
    return name in PACKAGED or is_network_file(name)


def _file_of(name: str) -> Path:
    return PACKAGED_FILES / f"{name}.onnx" if name in PACKAGED else Path(name).expanduser()


def _torch_networks(name: str) -> Any:
    """Import what makes networks of torch's; MissingExtraError says what the backbone `name` needs."""
    if "," in name:  # which is no one's name, with torch or without
        raise BackboneError(
            f"{name!r} names several networks, and only `train` in closed form sees through several at once: "
            "name one here."
        )
    import_torch(f"Backbone {name}, which is none of those inside the package ({', '.join(PACKAGED)}),")
    from lightprobe.backbones import torch_networks

    return torch_networks


def _digests(weights: str | Path | None) -> list[str]:
    """Digests of a file of weights and of the facts beside it."""
    if weights is None or weights == "random":
        return []
    path = Path(weights).expanduser()
    return [
        hashlib.sha256(part.read_bytes()).hexdigest()
        for part in (path, path.with_name(f"{path.name}.json"))
        if part.is_file()
    ]
