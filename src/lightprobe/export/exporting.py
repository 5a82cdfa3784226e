"""A model becomes a file that other programs run, with its faithfulness measured and written inside."""

import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightprobe.atomic import is_stream, not_written, put_in_place, through_links
from lightprobe.errors import OptionError
from lightprobe.export.described import described
from lightprobe.export.exported import ExportedClassifier
from lightprobe.export.formats import FORMATS
from lightprobe.export.heads import Model
from lightprobe.export.parity import measure, synthetic_photos
from lightprobe.images import open_unlabelled


def export(model: Model, form: str, out: Path, photos: str | None = None) -> dict[str, Any]:
    """Write a fitted model as one graph, and measure it against the original.

    Parameters
    ----------
    model : Fitted or TrainedModel
    form : {"onnx", "openvino"}
    out : Path
        The file, with the format's suffix; OpenVINO puts a .bin of the same name beside it.
    photos : str, optional
        Photos to measure on; without them, made-up pictures.

    Returns
    -------
    info : dict
        JSON values: what travels inside the file, `parity` among it, and `file` and `file_bytes`.

    Raises
    ------
    OptionError
        If the suffix is wrong, or the model has a part that graphs cannot express.
    BackboneError
        If a network of torch's cannot be converted.
    """
    target = FORMATS[form]
    if out.suffix.lower() != target.suffix:
        raise OptionError(
            f"{out} does not end in {target.suffix}, by which an {form} file is told: name it so."
        )
    info, side = described(model), max(network.backbone.preprocessing.resize for network in model.networks)
    images = synthetic_photos(2 * side) if photos is None else open_unlabelled(photos)
    said = f"{len(images)} made-up pictures" if photos is None else photos
    out.parent.mkdir(parents=True, exist_ok=True)
    if is_stream(out):
        raise OptionError(f"{out} is no file, and an exported model is read back to measure it: name a file.")
    place = through_links(out)
    partial = place.with_name(f".{uuid.uuid4().hex}{target.suffix}")
    try:
        converted = target.convert(model)
        target.save(converted, info, partial)
        parity = measure(model, ExportedClassifier.load(partial), images, said)
        info["parity"] = asdict(parity)
        target.save(converted, info, partial)
        # The numbers before the graph, so that a graph is never seen without them.
        for part in sorted(partial.parent.glob(f"{partial.stem}.*"), key=lambda path: path.suffix != ".bin"):
            put_in_place(part, place.with_suffix(part.suffix))
    except OSError as error:
        raise not_written(out, error) from None
    finally:
        for part in partial.parent.glob(f"{partial.stem}.*"):
            part.unlink()
    written = [part for part in (out, out.with_suffix(".bin")) if part == out or form == "openvino"]
    return {**info, "file": str(out), "file_bytes": sum(part.stat().st_size for part in written)}
