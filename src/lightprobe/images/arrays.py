"""Images that are in memory already, or that a torch dataset makes."""

import io
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightprobe.errors import DataError, ImageError
from lightprobe.images.files import FileSource, read_file
from lightprobe.images.imageset import ImageSet, label_kind, listed
from lightprobe.images.urls import fetch, is_url

_KINDS = "a path, an array (h, w, 3) or tensor (3, h, w), of uint8 or floats from 0 to 1, or a PIL image"


class ItemSource:
    """A sequence of what `to_image` takes, mixed at will."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items

    def read(self, index: int) -> bytes | NDArray[np.uint8]:
        """Return item `index`: a file's bytes, or pixels."""
        return to_image(self._items[index])


class DatasetSource:
    """The images of a map-style dataset of (image, label).

    Datasets are written for worker processes; unless `parallel`, one thread at a time enters it.
    """

    def __init__(self, dataset: Any, *, parallel: bool = False) -> None:
        self._dataset = dataset
        self._gate: AbstractContextManager[Any] = nullcontext() if parallel else threading.Lock()

    def read(self, index: int) -> bytes | NDArray[np.uint8]:
        """Return the image of item `index`."""
        try:
            with self._gate:
                image = self._dataset[index][0]
        except Exception as error:
            # A dataset runs its author's code, which may raise anything for a photo it cannot read.
            raise ImageError(f"the dataset cannot give it: {type(error).__name__}") from None
        return to_image(image)


def to_image(item: Any) -> bytes | NDArray[np.uint8]:
    """Return what stands for an image as its encoded bytes, or as pixels.

    A path, an address and a stream are read; of a dict, as Hugging Face has them, `bytes` or else `path`.
    Raises ImageError if it is none of these, or cannot be read.
    """
    if isinstance(item, dict):
        item = item.get("bytes") or item.get("path")
    if is_url(item):
        return fetch(item)
    if isinstance(item, (str, Path)):
        return read_file(str(item))
    if isinstance(item, io.BytesIO):
        return item.getvalue()
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    return to_pixels(item)


def to_pixels(image: Any) -> NDArray[np.uint8]:
    """Return an array, tensor or PIL image as (h, w, 3) uint8; ImageError if it is none of them.

    Floats are those between 0 and 1 that torchvision's transforms make of pixels.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(image, torch.Tensor):
        if image.ndim == 3:
            image = image.permute(1, 2, 0)
        image = image.detach().cpu().numpy()
    if isinstance(image, np.ndarray):
        if image.ndim == 2:
            image = image[:, :, np.newaxis]
        if image.dtype.kind == "f" and image.size and image.min() >= 0 and image.max() <= 1:
            image = np.rint(255.0 * image).astype(np.uint8)
        elif image.dtype.kind == "f":
            raise ImageError("floats that are not all between 0 and 1 are no pixels: leave normalisation out")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
            raise ImageError(f"an array {image.shape} of {image.dtype} is not an image of 8-bit RGB or grey")
        return np.broadcast_to(image, (*image.shape[:2], 3))
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(image, pil.Image):
        from lightprobe.images.pillow import to_rgb

        return to_rgb(image)
    raise ImageError(f"{type(image).__name__} is not an image")


def is_single(images: Any) -> bool:
    """Tell one image from a sequence of them; an array or tensor of three dimensions is one of pixels."""
    if isinstance(images, (str, Path, bytes, bytearray, memoryview, io.BytesIO, dict)):
        return True
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(images, pil.Image):
        return True
    shape = tuple(getattr(images, "shape", ()))
    if len(shape) == 2:
        return getattr(getattr(images, "dtype", None), "kind", "u") not in "OU"
    return len(shape) == 3 and (shape[0] if hasattr(images, "detach") else shape[2]) in (1, 3)


def require_stack(images: Any) -> None:
    """Raise DataError for an array or tensor that is not a stack of images."""
    if hasattr(images, "ndim") and images.ndim != 4 and not (images.ndim == 1 and images.dtype.kind in "OU"):
        raise DataError(
            f"an array of shape {tuple(images.shape)} is not a stack of images: give (n, h, w, 3) uint8."
        )


def open_pair(images: Any, labels: Any) -> ImageSet:
    """Return the set of `(images, labels)`; images are paths, arrays, tensors or PIL images."""
    if isinstance(images, (str, bytes, Path)):
        raise DataError(
            f"one path ({images!r}) came with labels: give a sequence with one path for each label."
        )
    kind = label_kind(labels.tolist() if hasattr(labels, "tolist") else labels)
    require_stack(images)
    names = label_names(labels)
    images = images.tolist() if hasattr(images, "iloc") else images  # a Series, whose places are no indices
    if len(images) != len(names):
        raise DataError(f"{len(images)} images came with {len(names)} labels: give one label for each image.")
    if not len(images):
        raise DataError("an empty sequence of images was given: give at least one photo of each class.")
    _try_first(images)
    if all(isinstance(image, (str, Path)) and not is_url(image) for image in images):
        paths = [Path(image).as_posix() for image in images]
        if len(set(paths)) < len(paths):
            twice = sorted({path for path in paths if paths.count(path) > 1})
            raise DataError(f"{listed(twice)} came more than once: give each image once, with one label.")
        files = FileSource([str(image) for image in images])
        return ImageSet.from_names(paths, names, files, label_kind=kind)
    items = images if hasattr(images, "ndim") else list(images)
    return ImageSet.from_names([str(i) for i in range(len(names))], names, ItemSource(items), label_kind=kind)


def open_dataset(dataset: Any) -> ImageSet:
    """Return the set of a torch map-style dataset of (image, label); a Subset keeps its classes' names.

    Labels are taken from `dataset.targets` or `dataset.labels` where they are, so that no image is
    decoded to list them.
    """
    if not len(dataset):
        raise DataError(
            f"the dataset {type(dataset).__name__} is empty: give at least one photo of each class."
        )
    base, indices = _without_subsets(dataset)
    _try_first_pair(dataset)
    names = dataset_names(base)[indices]
    samples = getattr(base, "samples", None)
    if isinstance(samples, list) and getattr(base, "transforms", 0) is None:
        # torchvision's ImageFolder: the files themselves, decoded as all others are.
        files = [str(path) for path, _ in samples]
        paths = [Path(files[i]).as_posix() for i in indices]
        return ImageSet.from_names(paths, names.tolist(), FileSource(files), positions=indices.tolist())
    paths = [str(i) for i in indices]
    return ImageSet.from_names(paths, names.tolist(), DatasetSource(base), positions=indices.tolist())


def dataset_names(dataset: Any) -> NDArray[np.str_]:
    """Return the class name of each image of a dataset."""
    codes: Any = None
    if getattr(dataset, "target_transform", None) is None:
        codes = next((c for a in _LABEL_ATTRIBUTES if (c := getattr(dataset, a, None)) is not None), None)
    if codes is None or len(codes) != len(dataset):
        codes = [dataset[i][1] for i in range(len(dataset))]
    if len(codes) and isinstance(codes[0], tuple):
        codes = [label for _, label in codes]
    names = label_names(codes)
    classes = getattr(dataset, "classes", None) or getattr(dataset, "categories", None)
    if not classes or not len(codes) or isinstance(codes[0], str):
        return np.array(names)
    # ImageNet's relatives name a class by several synonyms; the first will do.
    known = [name if isinstance(name, str) else str(name[0]) for name in classes]
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise DataError(
            f"the dataset calls several classes {listed(twice)}: give each class a name of its own."
        )
    try:
        return np.array([known[int(name)] for name in names])
    except (ValueError, IndexError):
        raise DataError(
            f"the dataset has labels outside its list of {len(known)} classes: "
            "give labels from 0 to the number of classes less one."
        ) from None


def label_names(labels: Any) -> list[str]:
    """Return labels, str or int, as class names; DataError for anything else."""
    names = []
    for label in labels.tolist() if hasattr(labels, "tolist") else labels:
        plain = label.item() if hasattr(label, "item") else label
        if not isinstance(plain, (str, int)) or plain == "":
            raise DataError(f"{plain!r} is not a label: give a name or an integer for each image.")
        names.append(str(plain))
    return names


# Where datasets keep their labels: the first two are custom, the others torchvision's own.
_LABEL_ATTRIBUTES = ("targets", "labels", "_labels", "y", "_samples")


def _without_subsets(dataset: Any) -> tuple[Any, NDArray[np.int64]]:
    """Return the dataset below any torch Subsets, and the indices into it."""
    indices = np.arange(len(dataset), dtype=np.int64)
    torch = sys.modules.get("torch")
    while torch is not None and isinstance(dataset, torch.utils.data.Subset):
        indices = np.asarray(dataset.indices, dtype=np.int64)[indices]
        dataset = dataset.dataset
    return dataset, indices


def _try_first_pair(dataset: Any) -> None:
    """Raise DataError if the items of a dataset are no pairs, or their images of no kind we read."""
    try:
        image, _ = dataset[0]
    except OSError:
        return  # a photo that cannot be opened is skipped later, when it is read
    except (TypeError, ValueError, LookupError):
        raise DataError(
            f"an item of {type(dataset).__name__} is not a pair: give a dataset of (image, label)."
        ) from None
    _try_first([image])


def _try_first(images: Sequence[Any]) -> None:
    """Raise DataError if the first image is of a kind that can never be read."""
    first = images[0]
    if isinstance(first, (str, Path)):
        return
    try:
        to_image(first)
    except ImageError as error:
        raise DataError(f"the first image cannot be used ({error.reason}): give {_KINDS}.") from None
