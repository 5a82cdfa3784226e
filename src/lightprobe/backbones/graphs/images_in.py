"""The input of a graph that takes images: found, and made to take any number of them."""

from typing import Any, Final

from lightprobe.backbones.graphs.openvino import import_openvino
from lightprobe.errors import BackboneError, one_line

IMAGES: Final = "lightprobe:images"


def image_input(name: str, model: Any) -> tuple[Any, int | None]:
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
        f"{name} takes inputs of shape {shapes or 'none'}; lightprobe shows a network one square RGB image "
        "of floats: (n, 3, s, s) or (n, s, s, 3)."
    )


def take_images(name: str, model: Any, side: int) -> None:
    """Let a graph take any number of images (n, 3, side, side), float32, whatever it took before.

    Raises
    ------
    BackboneError
        It cannot.
    """
    openvino = import_openvino()
    parameter, _ = image_input(name, model)
    ops, shape = openvino.opset13, parameter.get_partial_shape()
    channels_last = not (shape[1].is_static and shape[1].get_length() == 3)
    # A name that is no tensor's of the graph's own, by which its layers are found.
    images = ops.parameter([-1, 3, side, side], openvino.Type.f32, name=IMAGES)
    given = ops.transpose(images, [0, 2, 3, 1]) if channels_last else images
    if parameter.get_element_type() != openvino.Type.f32:
        given = ops.convert(given, parameter.get_element_type().to_string())
    for target in parameter.output(0).get_target_inputs():
        target.replace_source_output(given.output(0))
    model.add_parameters([images])
    model.remove_parameter(parameter)
    try:
        model.validate_nodes_and_infer_types()
    except RuntimeError as error:
        raise BackboneError(
            f"{name} cannot take any number of {side}-pixel images ({reason(error)}): export it with a "
            "dynamic batch, or use `image_size` with a size that it was made for."
        ) from error


def reason(error: BaseException) -> str:
    """Return what OpenVINO says was wrong, without where in its sources it says so."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return (told[-1] if told else one_line(error)).rstrip(". ")[:200]
