"""Images without labels, to predict on: files, folders, patterns, zips, and objects in memory."""

import glob
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightprobe.errors import DataError, ImageError
from lightprobe.images.arrays import ItemSource, is_single, require_stack
from lightprobe.images.cells import is_frame
from lightprobe.images.files import FileSource, ZipSource, exists, is_file, is_folder
from lightprobe.images.hugging_face import HuggingFaceSource, image_column, is_hugging_face
from lightprobe.images.imageset import ImageSet, Source, SourceChain, natural_key
from lightprobe.images.kinds import is_foreign_file, is_image_content, is_image_name, why_no_photo
from lightprobe.images.listing import list_folder, read_head
from lightprobe.images.tables import LIST_SUFFIXES, frame_column, read_list
from lightprobe.images.urls import is_url

# Names of images, and where their pixels come from.
Part = tuple[list[str], Source]


def open_unlabelled(inputs: Any) -> ImageSet:
    """List images to predict on, or the only one.

    Files, folders (recursively), patterns, zips; addresses on the web; arrays, tensors, PIL images, encoded
    bytes and streams of them (BytesIO); a DataFrame with a column of photos, a data set of Hugging Face's.

    All labels are -1 and there are no classes. A file that is named is tried whatever its extension, but for
    .csv, .tsv and .txt: they list photos (see `read_list`). What is no image in folders, zips and patterns
    (`shots/**/*.jpg`) is passed over. An ImageSet stays as it is. Raises DataError for a path that does not
    exist and if there are no images at all.
    """
    if isinstance(inputs, ImageSet):
        return inputs
    if is_hugging_face(inputs):
        return _joined(_of_hugging_face(inputs))
    if is_frame(inputs):
        inputs = frame_column(inputs, "path")
    if is_single(inputs):
        inputs = [inputs]
    require_stack(inputs)
    parts: list[Part] = []
    for place, item in enumerate(inputs):
        if is_url(item):
            parts.append(([item], ItemSource([item])))
            continue
        if not isinstance(item, (str, Path)):
            parts.append(([str(place)], ItemSource([item])))
            continue
        path = Path(item)
        if _is_list(path):
            parts += [_open_path(Path(photo)) for photo in read_list(path)]
        elif exists(path):
            parts.append(_open_path(path))
        elif glob.has_magic(str(item)):
            parts += _open_pattern(str(item))
        else:
            raise DataError(f"{item} does not exist: give images, folders or zips of images.")
    return _joined(parts)


def _of_hugging_face(data: Any) -> Iterator[Part]:
    for split, part in data.items() if isinstance(data, dict) else [("", data)]:
        names = [f"{split}/{i}" if split else str(i) for i in range(len(part))]
        yield names, HuggingFaceSource(part, image_column(part))


def open_listed(paths: Sequence[str]) -> ImageSet:
    """List the images of a list of paths: files, folders and zips.

    A path that is not there, a folder that cannot be listed and a zip that cannot be read stay in it, to be
    errors of their own.
    """
    return _joined([_open_listed(Path(path)) for path in paths])


def _open_listed(path: Path) -> Part:
    try:
        return _open_path(path)
    except DataError:
        return _files([path.as_posix()])


def _open_path(path: Path) -> Part:
    if is_folder(path):
        return _files([(path / name).as_posix() for name in list_folder(path).images])
    if _is_zip(path):
        archive = ZipSource(path)
        return [f"{path.as_posix()}/{name}" for name in archive.names], archive
    return _files([path.as_posix()])


def _open_pattern(pattern: str) -> Iterator[Part]:
    """Open what a pattern matches, no image twice: `shots/**` matches folders and the files in them."""
    seen: set[str] = set()
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    for match in sorted(matches, key=natural_key):
        path = Path(match)
        if not (is_folder(path) or _is_zip(path) or _is_image(path)):
            continue
        names, source = _open_path(path)
        if not seen.issuperset(names):
            yield (names, source) if seen.isdisjoint(names) else _files([n for n in names if n not in seen])
            seen.update(names)
    if not seen:
        raise DataError(f"{pattern} matches no images: give images, folders or zips of images.")


def _is_list(path: Path) -> bool:
    """Tell a list of photos: by its extension, unless it begins as an image does."""
    if path.suffix.lower() not in LIST_SUFFIXES or not is_file(path):
        return False
    try:
        return not is_image_content(read_head(path))
    except ImageError:
        return True


def _is_zip(path: Path) -> bool:
    try:
        return not is_image_name(path.name) and is_file(path) and zipfile.is_zipfile(path)
    except OSError:
        return False


def _is_image(path: Path) -> bool:
    return not is_foreign_file(path.name) and not why_no_photo(path.name, lambda: read_head(path))


def _files(names: list[str]) -> Part:
    return names, FileSource(names)


def _joined(parts: Iterable[Part]) -> ImageSet:
    parts = list(parts)
    paths = tuple(name for names, _ in parts for name in names)
    if not paths:
        raise DataError("there are no images in what was given: give images, folders or zips of images.")
    return ImageSet(
        paths=paths,
        labels=np.full(len(paths), -1, dtype=np.int64),
        classes=(),
        splits=np.full(len(paths), "", dtype="<U5"),
        groups=None,
        source=SourceChain([(source, len(names)) for names, source in parts]),
        positions=np.arange(len(paths), dtype=np.int64),
    )
