"""torchvision's datasets by name, downloaded and read by torchvision's own code."""

import contextlib
import inspect
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightprobe.errors import DataError, MissingExtraError
from lightprobe.images.arrays import DatasetSource, dataset_names
from lightprobe.images.imageset import ImageSet, SourceChain

_TRAIN_TEST = (("train", {"split": "train"}), ("test", {"split": "test"}))
_TRAIN_VAL_TEST = (_TRAIN_TEST[0], ("val", {"split": "val"}), _TRAIN_TEST[1])
_FLAG = (("train", {"train": True}), ("test", {"train": False}))
_WHOLE: tuple[tuple[str, dict[str, Any]], ...] = (("", {}),)


@dataclass(frozen=True)
class NamedDataset:
    """A dataset that can be named instead of a path.

    Parameters
    ----------
    name : the name, lower case
    kind : torchvision's class
    splits : our split, and how torchvision's class is asked for it
    classes, images : how many
    size : bytes to download, for people
    what : what is on the images
    """

    name: str
    kind: str
    splits: tuple[tuple[str, dict[str, Any]], ...]
    classes: int
    images: int
    size: str
    what: str


# fmt: off
NAMED_DATASETS: dict[str, NamedDataset] = {
    entry.name: entry
    for entry in (
        NamedDataset("caltech101", "Caltech101", _WHOLE, 101, 8677, "137 MB", "objects, web photos"),
        NamedDataset("cifar10", "CIFAR10", _FLAG, 10, 60000, "170 MB", "animals and vehicles, 32×32"),
        NamedDataset("cifar100", "CIFAR100", _FLAG, 100, 60000, "169 MB", "objects and animals, 32×32"),
        NamedDataset("dtd", "DTD", _TRAIN_VAL_TEST, 47, 5640, "625 MB", "textures"),
        NamedDataset("eurosat", "EuroSAT", _WHOLE, 10, 27000, "94 MB", "land use from space, 64×64"),
        NamedDataset("fashionmnist", "FashionMNIST", _FLAG, 10, 70000, "31 MB", "clothes, grey 28×28"),
        NamedDataset("fgvcaircraft", "FGVCAircraft", _TRAIN_VAL_TEST, 100, 10000, "2.8 GB", "aeroplanes"),
        NamedDataset("flowers102", "Flowers102", _TRAIN_VAL_TEST, 102, 8189, "345 MB", "flowers"),
        NamedDataset("food101", "Food101", _TRAIN_TEST, 101, 101000, "5.0 GB", "dishes"),
        NamedDataset("gtsrb", "GTSRB", _TRAIN_TEST, 43, 39270, "280 MB", "traffic signs"),
        NamedDataset("imagenette", "Imagenette", _TRAIN_VAL_TEST[:2], 10, 13394, "1.6 GB",
                     "ten easy classes of ImageNet"),
        NamedDataset("mnist", "MNIST", _FLAG, 10, 70000, "12 MB", "handwritten digits, grey 28×28"),
        NamedDataset("oxfordiiitpet", "OxfordIIITPet", (("train", {"split": "trainval"}), _TRAIN_TEST[1]),
                     37, 7349, "811 MB", "breeds of cats and dogs"),
        NamedDataset("stanfordcars", "StanfordCars", _TRAIN_TEST, 196, 16185, "no download",
                     "cars; bring your own copy"),
        NamedDataset("stl10", "STL10", _TRAIN_TEST, 10, 13000, "2.6 GB", "animals and vehicles, 96×96"),
        NamedDataset("svhn", "SVHN", _TRAIN_TEST, 10, 99289, "246 MB", "house numbers, 32×32"),
    )
}
# fmt: on


def find_named(name: str) -> NamedDataset | None:
    """Return the dataset called `name`, in any case and with or without hyphens; None if there is none."""
    return NAMED_DATASETS.get(name.lower().replace("-", "").replace("_", ""))


def open_named(entry: NamedDataset, root: Path) -> ImageSet:
    """Return a named dataset kept under `root`, downloaded there first if it is not there yet.

    Raises DataError if it is not there and cannot be downloaded.
    """
    try:
        from torchvision import datasets
    except ImportError as error:
        raise MissingExtraError("torchvision", "torch", f"The data set {entry.name}") from error

    build = getattr(datasets, entry.kind)
    # Files go to our own decoder as bytes wherever torchvision's class lets its loader be chosen.
    loader = {"loader": _read_bytes} if "loader" in inspect.signature(build).parameters else {}
    parts = [_build(entry, build, root, {**asked, **loader}) for _, asked in entry.splits]
    splits = np.repeat([split for split, _ in entry.splits], [len(part) for part in parts])
    return ImageSet.from_names(
        [f"{split}/{i}" if split else str(i) for i, split in enumerate(splits)],
        np.concatenate([dataset_names(part) for part in parts]).tolist(),
        SourceChain([(DatasetSource(part, parallel=True), len(part)) for part in parts]),
        splits=splits.tolist(),
    )


def _build(entry: NamedDataset, build: Any, root: Path, arguments: dict[str, Any]) -> Any:
    # torchvision prints to stdout, which is kept for results; numpy warns of how CIFAR's files were pickled.
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            return build(root, download=False, **arguments)
        try:
            root.mkdir(parents=True, exist_ok=True)
            return build(root, download=True, **arguments)
        except Exception as error:
            # A download fails in as many ways as there are servers, archives and disks.
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            raise DataError(
                f"the dataset {entry.name} is not in {root} and cannot be downloaded ({reason}): "
                "connect to the internet, or give the folder that has it as `root`."
            ) from None


def _read_bytes(path: str | Path) -> bytes:
    return Path(path).read_bytes()
