"""Networks in files: ONNX, or OpenVINO's own format, as anyone publishes them."""

import hashlib
from pathlib import Path
from typing import Any, Final

from lightprobe.backbones.graphs.composing import end_at
from lightprobe.backbones.graphs.facts import metadata_of, preprocessing_for
from lightprobe.backbones.graphs.graph_backbone import GraphBackbone
from lightprobe.backbones.graphs.layers import Layers
from lightprobe.backbones.graphs.openvino import import_openvino, to_bytes
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
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
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
    model = _read(path)
    metadata = metadata_of(model)
    parameter, side = _image_input(path, model)
    how = preprocessing_for(path, metadata, side, image_size=image_size, mean=mean, std=std)
    _set_input(path, model, parameter, how.crop)
    layers = _layers_of_one_photo(path, model)
    named = {layer["name"]: layer["output"] for layer in metadata.get("layers", ())}
    named = named or {place: place for place in layers.places()}
    if cut is None and not named:
        raise BackboneError(
            f"{path} takes images and has no layer with positions to end at: name one, --cut."
        )
    end = cut if cut is not None else list(named)[-1]
    named = {
        **{label: place for label, place in named.items() if layers.precedes(place, named.get(end, end))},
        end: named.get(end, end),
    }
    infos = layers.measure(named)
    outputs = {label: _output(model, place) for label, place in named.items()}
    if any(output.get_partial_shape()[0].is_static for output in outputs.values()):
        raise BackboneError(f"{path} takes one image at a time: export it with a dynamic batch.")
    ended = end_at(model, outputs)
    parts = to_bytes(ended)
    digest = hashlib.sha256(path.read_bytes())
    digest.update(parts["bin"].data)  # an ONNX file may keep its weights beside it
    return GraphBackbone(name or str(path), how, end, path.name, infos, digest.hexdigest(), parts)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise WeightsError(
            f"There is no file {path}; --backbone takes a name, or an "
            f"{SUFFIXES[0]} or {SUFFIXES[1]} file."
        )
    if path.suffix.lower() == ".xml" and not path.with_suffix(".bin").is_file():
        raise WeightsError(f"{path} has no weights beside it: put {path.with_suffix('.bin').name} there.")
    try:
        return import_openvino().Core().read_model(path)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} cannot be read as a network ({reason(error)}): give another file."
        ) from error


def reason(error: BaseException) -> str:
    """Return what OpenVINO says was wrong, without where in its sources it says so."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return (told or lines or [type(error).__name__])[-1].rstrip(". ")[:200]


def _image_input(path: Path, model: Any) -> tuple[Any, int | None]:
    """Return the parameter that takes images and their side, None where it takes any.

    Raises
    ------
    BackboneError
        There are several inputs, or the one there is takes no square RGB images of floats.
    """
    parameters = model.get_parameters()
    shapes = ", ".join(str(parameter.get_partial_shape()) for parameter in parameters)
    if len(parameters) == 1 and parameters[0].get_element_type().is_real():
        shape = parameters[0].get_partial_shape()
        if shape.rank.is_static and len(shape) == 4:
            sides = [None if side.is_dynamic else side.get_length() for side in shape]
            channels = [axis for axis in (1, 3) if sides[axis] == 3]
            if channels:
                height, width = sides[2:] if channels[0] == 1 else sides[1:3]
                if height == width or None in (height, width):
                    return parameters[0], height or width
    raise BackboneError(
        f"{path} takes inputs of shape {shapes or 'none'}; lightprobe shows a network one square RGB image "
        "of floats: (n, 3, s, s) or (n, s, s, 3)."
    )


def _set_input(path: Path, model: Any, parameter: Any, side: int) -> None:
    """Let a graph take any number of images (n, 3, side, side), float32, whatever it took before."""
    openvino = import_openvino()
    ops, shape = openvino.opset13, parameter.get_partial_shape()
    channels_last = not (shape[1].is_static and shape[1].get_length() == 3)
    images = ops.parameter([-1, 3, side, side], openvino.Type.f32, name="images")
    given = ops.transpose(images, [0, 2, 3, 1]) if channels_last else images
    if parameter.get_element_type().to_string() != "f32":
        given = ops.convert(given, parameter.get_element_type().to_string())
    for target in parameter.output(0).get_target_inputs():
        target.replace_source_output(given.output(0))
    model.add_parameters([images])
    model.remove_parameter(parameter)
    try:
        model.validate_nodes_and_infer_types()
    except RuntimeError as error:
        raise BackboneError(
            f"{path} cannot take any number of {side}-pixel images ({reason(error)}): export it with a "
            "dynamic batch, or use --image-size with a size that it was made for."
        ) from error


def _layers_of_one_photo(path: Path, model: Any) -> Layers:
    single = model.clone()
    (images,) = single.inputs
    shape = images.get_partial_shape()
    try:
        single.reshape([1, *(side.get_length() for side in list(shape)[1:])])
    except RuntimeError as error:
        raise BackboneError(f"{path} cannot take a single image ({reason(error)}).") from error
    return Layers(single)


def _output(model: Any, name: str) -> Any:
    """Find the output of the operation of that name, or that gives the tensor of that name."""
    for op in model.get_ordered_ops():
        if op.get_output_size() and name in (op.get_friendly_name(), *op.output(0).get_names()):
            return op.output(0)
    raise AssertionError(f"{name} was found before")
