"""Networks in files: ONNX, or OpenVINO's own format, as anyone publishes them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lightprobe.backbones.graphs.composing import end_at
from lightprobe.backbones.graphs.facts import declared_layers, metadata_of, preprocessing_for
from lightprobe.backbones.graphs.graph_backbone import GraphBackbone
from lightprobe.backbones.graphs.graph_cache import Parts
from lightprobe.backbones.graphs.images_in import image_input, reason, take_images
from lightprobe.backbones.graphs.layers import Layers
from lightprobe.backbones.graphs.onnx_files import as_bytes, whole_onnx
from lightprobe.backbones.graphs.openvino import from_bytes
from lightprobe.errors import BackboneError, WeightsError

SUFFIXES: Final = (".onnx", ".xml")


def is_network_file(name: str) -> bool:
    """Whether a backbone's name is that of a file."""
    return Path(name).suffix.lower() in SUFFIXES


def open_network_file(
    path: Path,
    *,
    name: str | None = None,
    cut: str | None = None,
    image_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> GraphBackbone:
    """Make a backbone of a network in a file.

    Parameters
    ----------
    path : Path
        `.onnx`, or OpenVINO's `.xml` with its `.bin` beside it.
    name : str, optional
        What the backbone is called; the path without it.
    cut : str, optional
        The operation to end at, or its tensor; without it the last that has positions.
    image_size, mean, std
        Before what the file says; see `preprocessing_for`.

    Raises
    ------
    WeightsError
        The file is missing, damaged, or its weights are.
    BackboneError
        It takes no image, or has no such cut.
    """
    called = name or str(path)
    parts = _read(path)
    model = _parsed(path, parts)
    metadata, finals = metadata_of(model), _final_tensors(model)
    _, side = image_input(called, model)
    how = preprocessing_for(path, metadata, side, image_size=image_size, mean=mean, std=std)
    take_images(called, model, how.crop)
    layers = _layers_of_one_photo(called, model)
    named = declared_layers(path, metadata) or {place: place for place in layers.places()}
    if cut is None and not named:
        raise BackboneError(
            f"{called} takes images and has no layer with positions to end at: name one, `cut`."
        )
    end = cut if cut is not None else list(named)[-1]
    tensor = layers.tensor(named.get(end, end))
    named = {label: layers.tensor(place) for label, place in named.items() if layers.precedes(place, tensor)}
    named = {**named, end: tensor}
    ended = end_at(model, list(named.values()))
    if any(output.get_partial_shape()[0].is_static for output in ended.outputs):
        raise BackboneError(f"{called} takes one image at a time: export it with a dynamic batch.")
    digest = hashlib.sha256()
    for part in parts.values():
        digest.update(part.data)
    infos = layers.measure(named)
    backbone = GraphBackbone(called, how, end, path.name, infos, digest.hexdigest(), parts, named)
    # What lies behind the end is not kept.
    return backbone if len(finals) == 1 and tensor in finals[0] else backbone.at(end)


def _read(path: Path) -> Parts:
    """Read a graph's bytes; WeightsError if the file or its weights are missing."""
    if not path.is_file():
        raise WeightsError(
            f"There is no file {path}; `backbone` takes a name, or an {' or '.join(SUFFIXES)} file."
        )
    if path.suffix.lower() == ".onnx":
        return {"onnx": as_bytes(path.read_bytes())}
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise WeightsError(f"{path} has no weights beside it: put {weights.name} there.")
    return {"xml": as_bytes(path.read_bytes()), "bin": as_bytes(weights.read_bytes())}


def _parsed(path: Path, parts: Parts) -> Any:
    """Read a graph from its bytes, into which weights that lie beside it are taken."""
    try:
        return from_bytes(parts)
    except RuntimeError as error:
        told = reason(error)
    if "onnx" in parts:
        try:
            parts["onnx"] = whole_onnx(path)
            return from_bytes(parts)
        except Exception as error:  # onnx, protobuf and OpenVINO raise whatever they like
            told = reason(error)
    raise WeightsError(f"{path} cannot be read as a network ({told}): give another file.")


def _layers_of_one_photo(name: str, model: Any) -> Layers:
    single = model.clone()
    (images,) = single.inputs
    try:
        single.reshape([1, *(side.get_length() for side in list(images.get_partial_shape())[1:])])
    except RuntimeError as error:
        raise BackboneError(f"{name} cannot take a single image ({reason(error)}).") from error
    return Layers(single)


def _final_tensors(model: Any) -> list[set[str]]:
    """Return, for each output of a graph, the names of its tensor and of the operation that gives it."""
    sources = [output.get_node().input_value(0) for output in model.outputs]
    return [{source.get_node().get_friendly_name(), *source.get_names()} for source in sources]
