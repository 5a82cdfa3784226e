"""Heat maps: a photo in grey, and in colour what in it spoke for and against a class."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import zoom

from lightprobe.backbones import Backbone, compile_on_cpu
from lightprobe.errors import ImageError
from lightprobe.images import ImageSet, decode
from lightprobe.look.saliency import exact_saliency, occlusion_saliency
from lightprobe.photo_model import PhotoModel
from lightprobe.runtime import Runtime

WHOLE = 512  # pixels of the longer side of a photo that is shown whole
OPACITY, QUALITY = 0.55, 75


def heat_maps(
    model: PhotoModel, images: ImageSet, asked: Sequence[tuple[int, int]], runtime: Runtime
) -> Iterator[tuple[int, bytes]]:
    """Draw where in photos the evidence for a class lies, red for it and blue against.

    Parameters
    ----------
    asked : sequence of (int, int)
        A photo's index and a class's.

    Yields
    ------
    (int, bytes)
        The place in `asked`, and a JPEG. A photo that cannot be read has none.
    """
    if not asked:
        return
    backbone, several = model.networks[0].backbone, len(model.networks) > 1
    run = None
    if not several:
        run = compile_on_cpu(backbone.graph([backbone.cut]), {"INFERENCE_PRECISION_HINT": "f32"})
    for place, (index, which) in enumerate(asked):
        try:
            decoded = decode(
                images.read(index), max_pixels=images.max_pixels, at_least=backbone.preprocessing.resize
            )
        except (ImageError, OSError):
            continue
        shown = within(decoded, WHOLE) if several else backbone.preprocessing.prepare(decoded)
        evidence = None
        if run is not None and (maps := output(backbone, run, shown)).ndim == 3:
            evidence = exact_saliency(model, maps, which)
        if evidence is None:
            evidence = occlusion_saliency(model, shown, which, runtime)
        yield place, _overlaid(shown, evidence)


def within(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Reduce a photo so that neither side is longer."""
    photo = Image.fromarray(pixels)
    photo.thumbnail((side, side))
    return np.asarray(photo)


def network_input(backbone: Backbone, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a prepared photo (h, w, 3) as the network takes it, (1, 3, h, w)."""
    how = backbone.preprocessing
    image: NDArray[np.float32] = (
        ((pixels / 255 - how.mean) / how.std).transpose(2, 0, 1)[None].astype(np.float32)
    )
    return image


def channels_first(backbone: Backbone, name: str, output: NDArray[Any]) -> NDArray[np.float64]:
    """Return a layer's output for one photo as doubles, maps as (channels, h, w)."""
    layout = next(cut.layout for cut in backbone.cuts if cut.name == name)
    plain: NDArray[np.float64] = output.astype(np.float64)
    return plain.transpose(2, 0, 1) if layout == "nhwc" else plain


def output(backbone: Backbone, run: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what the last layer makes of a prepared photo."""
    return channels_first(backbone, backbone.cut, run([network_input(backbone, pixels)])[0][0])


def smooth(evidence: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Enlarge evidence to a photo's height and width."""
    factors = [pixels / cells for pixels, cells in zip(shape, evidence.shape, strict=True)]
    enlarged: NDArray[np.float64] = zoom(evidence, factors, order=3, mode="nearest", grid_mode=True)
    return enlarged


def _overlaid(shown: NDArray[np.uint8], evidence: NDArray[np.float64]) -> bytes:
    heat = smooth(evidence, shown.shape[:2])
    limit = float(np.abs(heat).max()) or 1.0
    colour = colormaps["RdBu_r"]((heat / limit + 1) / 2)[..., :3]
    grey = shown.mean(axis=2, keepdims=True) / 255
    mixed = (1 - OPACITY) * grey + OPACITY * colour
    file = BytesIO()
    Image.fromarray(np.rint(255 * mixed).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
