"""What a network file's users know about it: how its images are to be prepared, found beside or inside it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lightprobe.backbones.preprocessing import Preprocessing
from lightprobe.errors import BackboneError, WeightsError

METADATA: Final = "lightprobe"
BESIDE: Final = "preprocessor_config.json"
# Pillow's numbers for its filters, as Hugging Face's processors write them.
_BILINEAR, _BICUBIC = 2, 3


def metadata_of(model: Any) -> dict[str, Any]:
    """Return the JSON object that a graph carries under `lightprobe`; empty where there is none."""
    for path in (["framework", METADATA], [METADATA]):
        if model.has_rt_info(path):
            try:
                found = json.loads(model.get_rt_info(path).astype(str))
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return {}


def declared_layers(path: Path, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the layers that metadata lists: from their names to those of their tensors.

    Raises
    ------
    WeightsError
        The list is not one of objects with `name` and `output`.
    """
    try:
        return {str(layer["name"]): str(layer["output"]) for layer in metadata.get("layers", ())}
    except (TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{path} lists its layers in a way that is not known (its metadata `{METADATA}`, `layers`): each "
            "needs `name` and `output`."
        ) from error


def preprocessing_for(
    path: Path,
    metadata: Mapping[str, Any],
    side: int | None,
    *,
    image_size: int | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> Preprocessing:
    """Gather how images are prepared: from options, else the file beside it, else its metadata.

    Parameters
    ----------
    path : Path
        The network's file.
    metadata : mapping
        What it carries.
    side : int or None
        Pixels, where the graph takes one size only.
    image_size, mean, std
        As for `create_backbone`.

    Raises
    ------
    BackboneError
        Size, mean or deviation are unknown, or the size is not the graph's.
    WeightsError
        The file beside it cannot be read.
    """
    beside = path.parent / BESIDE
    known = _of_hugging_face(beside) if beside.is_file() else _of_metadata(metadata)
    if mean is not None:
        known["mean"] = list(mean)
    if std is not None:
        known["std"] = list(std)
    if "mean" not in known or "std" not in known:
        raise BackboneError(
            f"{path} does not say which mean and deviation its images have: give `mean` and `std` (of pixels "
            f"between 0 and 1), or put the network's {BESIDE} beside it."
        )
    wanted = image_size or known.get("crop") or side
    if wanted is None:
        raise BackboneError(
            f"{path} takes images of any size and does not say which it was trained with: give `image_size`, "
            f"or put the network's {BESIDE} beside it."
        )
    if side is not None and wanted != side:
        raise BackboneError(f"{path} takes images of {side} pixels and no others; got {wanted}.")
    crop = known.get("crop", wanted)
    known["crop"] = crop
    known["resize"] = max(crop, known.get("resize", crop))
    return Preprocessing.from_config(known).with_image_size(wanted)


def _of_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    names = ("mean", "std", "resize", "crop", "interpolation", "fit")
    return {name: metadata[name] for name in names if name in metadata}


def _of_hugging_face(path: Path) -> dict[str, Any]:
    """Read a `preprocessor_config.json` as image processors of Hugging Face's `transformers` write it."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        known: dict[str, Any] = {}
        normalised = config.get("do_normalize", True)
        if not normalised or "image_mean" in config:
            known["mean"] = [float(value) for value in config["image_mean"]] if normalised else [0.0] * 3
            known["std"] = [float(value) for value in config["image_std"]] if normalised else [1.0] * 3
        if not config.get("do_rescale", True):
            known |= {
                name: [value / 255 for value in known[name]] for name in ("mean", "std") if name in known
            }
        known["interpolation"] = "bilinear" if config.get("resample", _BICUBIC) == _BILINEAR else "bicubic"
        size, crop = _sides(config.get("size")), _sides(config.get("crop_size"))
        if config.get("do_center_crop", crop is not None) and crop:
            known |= {"crop": crop[0], "resize": size[0] if size else crop[0]}
        elif size:
            known |= {"crop": size[0], "resize": size[0], "fit": "crop" if len(size) == 1 else "squash"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} is no image processor's configuration ({type(error).__name__}: {error}): give "
            "`image_size`, `mean` and `std`, and move it away."
        ) from error
    return known


def _sides(size: Any) -> list[int] | None:
    """Return one side or two of `size` as it is written: a number, a shortest edge, or height and width."""
    if isinstance(size, Mapping):
        if "shortest_edge" in size:
            return [int(size["shortest_edge"])]
        if size["height"] != size["width"]:
            raise ValueError(f"images of {size['height']} × {size['width']} are no squares")
        return [int(size["height"]), int(size["width"])]
    return [int(size)] if size else None
