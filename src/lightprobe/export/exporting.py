"""A model becomes a file that other programs run, with its faithfulness measured and written inside."""

import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lightprobe.backbones import from_tensors, import_openvino
from lightprobe.errors import OptionError
from lightprobe.export.exported import ExportedClassifier
from lightprobe.export.formats import FORMATS, INPUT, OUTPUT, pixels_of, to_openvino
from lightprobe.export.graph import Graph, Model, described, head_of
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
    MissingExtraError
        If what writes or runs the format is not installed.
    """
    target = FORMATS[form]
    if out.suffix.lower() != target.suffix:
        raise OptionError(
            f"{out} does not end in {target.suffix}, by which an {form} file is told: name it so."
        )
    quantized = model.network.precision == "int8"
    if quantized and form != "openvino":
        raise OptionError(
            "This model sees through an int8 network of OpenVINO's, which other formats cannot hold: "
            "use --format openvino, or export a model that was trained with --precision fp32 or bf16."
        )
    info, preprocessing = described(model), model.network.backbone.preprocessing
    images = synthetic_photos(2 * preprocessing.resize) if photos is None else open_unlabelled(photos)
    said = f"{len(images)} made-up pictures" if photos is None else photos
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{uuid.uuid4().hex}{target.suffix}")
    try:
        if quantized:
            converted = _quantized_graph(model)
        else:
            converted = target.convert(Graph(model), pixels_of(preprocessing.crop))
        target.save(converted, info, partial)
        parity = measure(model, ExportedClassifier.load(partial), images, said)
        info["parity"] = asdict(parity)
        target.save(converted, info, partial)
        # The numbers before the graph, so that a graph is never seen without them.
        for part in sorted(partial.parent.glob(f"{partial.stem}.*"), key=lambda path: path.suffix != ".bin"):
            part.replace(out.with_suffix(part.suffix))
    finally:
        for part in partial.parent.glob(f"{partial.stem}.*"):
            part.unlink()
    written = [part for part in (out, out.with_suffix(".bin")) if part == out or form == "openvino"]
    return {**info, "file": str(out), "file_bytes": sum(part.stat().st_size for part in written)}


def _quantized_graph(model: Model) -> Any:
    """Join an int8 network as it was calibrated, which is OpenVINO's already, and the head.

    Returns
    -------
    openvino.Model
        From pixels (n, 3, s, s), uint8, to probabilities (n, c), float32.
    """
    (tap,) = model.tap_set.taps
    network = from_tensors(model.network.engine_state, [tap])
    n_features = model.network.backbone.feature_sizes([tap])[tap]
    head = to_openvino(head_of(model).eval().requires_grad_(False), torch.zeros(2, n_features))
    head.inputs[0].replace(network.outputs[0].get_node().input_value(0))
    joined = import_openvino().Model(head.get_results(), network.get_parameters(), "lightprobe")
    joined.inputs[0].set_names({INPUT})
    joined.outputs[0].set_names({OUTPUT})
    return joined
