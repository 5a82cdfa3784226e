"""One door for every form of data: folder, zip, table, dataset name, or Python objects."""

import difflib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightprobe.errors import DataError, OptionError
from lightprobe.images.arrays import open_dataset, open_pair
from lightprobe.images.cells import is_frame
from lightprobe.images.classmap import ClassMap, as_class_map
from lightprobe.images.files import FileSource, ZipSource, is_file, is_folder
from lightprobe.images.hugging_face import is_hugging_face, open_hugging_face
from lightprobe.images.imageset import ImageSet, Source
from lightprobe.images.layout import Layout, arrange, check_classes
from lightprobe.images.listing import is_run, list_folder
from lightprobe.images.named import NAMED_DATASETS, find_named, open_named
from lightprobe.images.tables import (
    TABLE_SUFFIXES,
    column_key,
    frame_column,
    has_column,
    open_frame,
    open_table,
)
from lightprobe.images.urls import is_url


def open_images(
    data: Any,
    *,
    root: str | Path | None = None,
    class_map: str | Mapping[str, str | Sequence[str]] | Sequence[Sequence[str]] | ClassMap | None = None,
    group: str | None = None,
    classes: str | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
) -> ImageSet:
    """List labelled images; no pixel is read and nothing is written.

    Parameters
    ----------
    data : path, dataset name or Python object
        A folder of class folders; a folder with `train/`, `val/`, `test/` of such, or names like these
        (`Training`, `dev`, `seg_test`); a zip of either; a table (`path,label[,split][,group]`: .csv, .tsv,
        .xlsx, .parquet, or a DataFrame); the name of a torchvision dataset (a path that exists wins);
        `(images, labels)` with paths, arrays (n, h, w, 3), tensors, PIL images or encoded bytes; a torch
        map-style dataset of (image, label); a Dataset or DatasetDict of Hugging Face's; an ImageSet.
    root : path, optional
        Where named datasets are kept.
    class_map : optional
        Classes to merge, rename or drop, see ClassMap.
    group : str, optional
        A column of the table, or else a regular expression that finds the group in each path.
    classes : {"top", "leaf", "path"}, optional
        Of folders and zips: the class is the first folder below the split, the one that the photo lies in, or
        all of them (`Fruit/Apple`). Without it, the first, and a tree that can be read otherwise is an
        AmbiguousDataError.

    path_column, label_column : str, optional
        What a table's columns of photos and of classes are called, if not as usual (`path`, `file`, `image`;
        `label`, `class`, `category`, `target`).

    Raises
    ------
    DataError, OptionError
        One sentence on what is wrong and the way out.
    """
    check_classes(classes)
    column = group if group is not None and _is_column(data, group) else None
    if is_frame(data):
        images = _open_frame(data, column, path_column, label_column)
    elif is_hugging_face(data):
        images = open_hugging_face(data, path_column, label_column)
    elif isinstance(data, (str, Path)) and _is_table(Path(data)):
        images = open_table(Path(data), column, path_column, label_column)
    elif path_column is not None or label_column is not None:
        raise OptionError("`path_column` and `label_column` are for tables: leave them out.")
    else:
        images = _open(data, None if root is None else Path(root), classes)
    if group is not None and column is None:
        images = images.grouped_by(group)
    return images if class_map is None else as_class_map(class_map).apply(images)


def _is_column(data: Any, name: str) -> bool:
    if is_frame(data):
        return column_key(name) in [column_key(str(column)) for column in data.columns]
    return isinstance(data, (str, Path)) and _is_table(Path(data)) and has_column(Path(data), name)


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLE_SUFFIXES and is_file(path)


def _open_frame(frame: Any, group: str | None, path_column: str | None, label_column: str | None) -> ImageSet:
    """Open a DataFrame of paths, or of images in memory."""
    photos = frame_column(frame, "path", path_column)
    if all(isinstance(photo, (str, Path)) and not is_url(photo) for photo in photos):
        return open_frame(frame, group, path_column, label_column)
    return open_pair(photos, frame_column(frame, "label", label_column))


def _open(data: Any, root: Path | None, classes: str | None) -> ImageSet:
    if isinstance(data, ImageSet):
        return data
    if isinstance(data, (str, Path)):
        return _open_path(data, root, classes)
    if isinstance(data, tuple) and len(data) == 2:
        return open_pair(*data)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, _CONTAINERS):
        return open_dataset(data)
    raise DataError(
        f"{type(data).__name__} is not labelled data: give a folder, zip, .csv or dataset name, "
        "a pair (images, labels), or a torch map-style dataset of (image, label)."
    )


# These have items and a length, too, and are not datasets.
_CONTAINERS = (list, tuple, dict, bytes, bytearray, np.ndarray)


def _open_path(data: str | Path, root: Path | None, classes: str | None) -> ImageSet:
    path = Path(data)
    if is_folder(path):
        if is_run(path):
            raise DataError(f"{path} is what lightprobe wrote of a run: give the folder of the photos.")
        layout = arrange(list_folder(path), str(path), classes)
        return _from_layout(layout, FileSource([str(path / file) for file in layout.paths]))
    if is_file(path):
        if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
            archive = ZipSource(path)
            layout = arrange(archive.listing, str(path), classes)
            place = {name: index for index, name in enumerate(archive.names)}
            return _from_layout(layout, archive, [place[name] for name in layout.paths])
        raise DataError(f"{path} is neither a folder nor a .zip nor a .csv: give one of these as data.")
    entry = find_named(str(data))
    if entry is None:
        close = difflib.get_close_matches(str(data).lower(), NAMED_DATASETS, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "check the path."
        raise DataError(f"{data} does not exist and is not the name of a dataset: {hint}")
    if root is None:
        raise DataError(f"{entry.name} is a dataset to download: say where to keep it with `root`.")
    return open_named(entry, root)


def _from_layout(layout: Layout, source: Source, positions: Sequence[int] | None = None) -> ImageSet:
    return ImageSet.from_names(
        layout.paths, layout.names, source, splits=layout.splits, positions=positions, skipped=layout.skipped
    )
