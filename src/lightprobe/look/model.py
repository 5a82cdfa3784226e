"""One picture of a model at work: kernels, feature maps from layer to layer, and where the evidence lies."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightprobe.backbones import Backbone, compile_on_cpu
from lightprobe.figures import save_figure
from lightprobe.images import decode, open_unlabelled
from lightprobe.look.heat_maps import WHOLE, channels_first, network_input, smooth, within
from lightprobe.look.saliency import exact_saliency, occlusion_saliency
from lightprobe.photo_model import PhotoModel, features_of
from lightprobe.runtime import Runtime

STEPS, CHANNELS, KERNELS = 6, 6, 64


def draw_model(model: PhotoModel, image: str | Path, path: Path, runtime: Runtime) -> dict[str, Any]:
    """Draw what a model makes of a photo; of several networks, kernels and maps are the first one's.

    Parameters
    ----------
    model : PhotoModel
    image : path
        The photo.
    path : Path
        The picture, a PNG.

    Returns
    -------
    dict
        `label` and `probability`; `evidence`, "exact" or "covering"; `layers`, each with its name, the shape
        of its output and the parameters up to it.

    Raises
    ------
    ImageError
        The photo cannot be decoded.
    """
    backbone, several = model.networks[0].backbone, len(model.networks) > 1
    photo = open_unlabelled(image).limited(runtime.max_megapixels)
    decoded = decode(photo.read(0), max_pixels=photo.max_pixels, at_least=backbone.preprocessing.resize)
    prepared = backbone.preprocessing.prepare(decoded)
    # Several networks and looks see different parts of a photo: the evidence is sought in the whole one.
    shown = within(decoded, WHOLE) if several else prepared
    probabilities = model.probabilities(features_of(model, [str(image)], runtime))[0]
    which = int(probabilities.argmax())
    infos = backbone.describe()
    outputs = _outputs(backbone, prepared)
    last = outputs[backbone.cut]
    evidence = exact_saliency(model, last, which) if last.ndim == 3 and not several else None
    how = "covering" if evidence is None else "exact"
    if evidence is None:
        evidence = occlusion_saliency(model, shown, which, runtime)
    figure = Figure(figsize=(15, 10), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.7))
    top, bottom = parts
    label, probability = model.classes[which], float(probabilities[which])
    title = "the photo" if several else "what the network is shown"
    _draw_answer(top, shown, evidence, f"{label}, {probability:.0%}", title)
    _draw_kernels(top.axes[2], backbone)
    _draw_maps(bottom, {name: maps for name, maps in outputs.items() if maps.ndim == 3}, infos)
    save_figure(figure, path, dpi=110)
    layers = [{"name": i.name, "shape": list(i.shape), "parameters": i.parameters} for i in infos]
    return {"label": label, "probability": probability, "evidence": how, "layers": layers}


def _outputs(backbone: Backbone, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Run one photo; what some of the layers give, the last one among them, without the axis of batches."""
    cuts = backbone.cuts
    chosen = sorted({round(i) for i in np.linspace(0, len(cuts) - 1, min(STEPS, len(cuts)))})
    run = compile_on_cpu(backbone.graph([cuts[i].name for i in chosen]), {"INFERENCE_PRECISION_HINT": "f32"})
    outputs = run([network_input(backbone, pixels)])
    names = [cuts[i].name for i in chosen]
    return {name: channels_first(backbone, name, outputs[place][0]) for place, name in enumerate(names)}


def _draw_answer(
    figure: Any, shown: NDArray[np.uint8], evidence: NDArray[np.float64], answer: str, title: str
) -> None:
    photo, where, _ = figure.subplots(1, 3)
    photo.imshow(shown)
    photo.set_title(title, loc="left")
    heat = smooth(evidence, shown.shape[:2])
    limit = float(np.abs(heat).max()) or 1.0
    where.imshow(shown.mean(axis=2), cmap="gray")
    where.imshow(heat, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=0.55)
    where.set_title(f"{answer}: red speaks for it, blue against", loc="left")
    for axes in (photo, where):
        axes.set_axis_off()


def _draw_kernels(axes: Any, backbone: Backbone) -> None:
    first = backbone.first_kernels()
    axes.set_axis_off()
    if first is None:
        return
    kernels = first[:KERNELS].transpose(0, 2, 3, 1)
    low, high = (f(kernels, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
    kernels = np.pad(
        (kernels - low) / np.maximum(high - low, 1e-12), ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=1
    )
    columns = int(np.ceil(np.sqrt(len(kernels))))
    missing = -len(kernels) % columns
    kernels = np.concatenate([kernels, np.ones((missing, *kernels.shape[1:]))])
    rows, side = len(kernels) // columns, kernels.shape[1]
    mosaic = (
        kernels.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(rows * side, columns * side, 3)
    )
    axes.imshow(mosaic, interpolation="nearest")
    axes.set_title(f"first layer: {len(first)} kernels of {first.shape[2]} × {first.shape[3]}", loc="left")


def _draw_maps(figure: Any, outputs: dict[str, NDArray[np.float64]], infos: Any) -> None:
    """Draw a column a layer: its strongest channels, the strongest on top."""
    facts = {info.name: info for info in infos}
    grid = figure.subplots(CHANNELS, max(1, len(outputs)), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for column, (name, maps) in zip(grid.T, outputs.items(), strict=False):
        order = np.argsort(-maps.var(axis=(1, 2)), kind="stable")[:CHANNELS]
        for axes, channel in zip(column, order, strict=False):
            axes.imshow(maps[channel], cmap="magma")
        shape = " × ".join(map(str, facts[name].shape))
        column[0].set_title(f"{name}\n{shape}\n{facts[name].parameters:,} parameters", fontsize=9)
