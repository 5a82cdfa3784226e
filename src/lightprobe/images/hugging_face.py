"""Data sets of Hugging Face's `datasets`, without importing it: whoever has one has imported it."""

from typing import Any

from lightprobe.errors import DataError, ImageError
from lightprobe.images.arrays import label_names, to_image
from lightprobe.images.imageset import ImageSet, SourceChain, label_kind, listed
from lightprobe.images.split_names import plain_role
from lightprobe.images.tables import LABEL_COLUMNS, column_key

Encoded = Any  # bytes, or pixels


class HuggingFaceSource:
    """The photos of a data set's column, as their files have them: they are decoded as all others are."""

    def __init__(self, dataset: Any, column: str) -> None:
        feature = dataset.features[column]
        self._dataset, self._column = dataset.cast_column(column, type(feature)(decode=False)), column

    def read(self, index: int) -> Encoded:
        """Return the photo of row `index`."""
        try:
            item = self._dataset[index][self._column]
        except Exception as error:  # whatever the data set's files make of it
            raise ImageError(f"the data set cannot give it: {type(error).__name__}") from None
        return to_image(item)


def is_hugging_face(data: Any) -> bool:
    """Tell a Dataset, or a DatasetDict of several splits."""
    if isinstance(data, dict):
        return bool(data) and all(is_hugging_face(part) for part in data.values())
    return all(hasattr(data, name) for name in ("features", "column_names", "cast_column"))


def open_hugging_face(data: Any, path_column: str | None = None, label_column: str | None = None) -> ImageSet:
    """Return the set of a Dataset, or of a DatasetDict, whose names say the splits.

    The photos are the column of the type Image, their classes that of the type ClassLabel, or one called as
    in tables.

    Raises
    ------
    DataError
        If a split's name says nothing, or a column is missing.
    """
    parts = dict(data) if isinstance(data, dict) else {"": data}
    roles = {name: plain_role(name) for name in parts}
    if isinstance(data, dict) and not all(roles.values()):
        odd = [str(name) for name, role in roles.items() if not role]
        raise DataError(
            f"the data set has the splits {listed(odd)}, which are neither train nor validation nor test: "
            "give one of them, or a DatasetDict of those."
        )
    paths, names, splits, kinds = [], [], [], set()
    sources = []
    for split, part in parts.items():
        photos = image_column(part, path_column)
        labels = _labels(part, label_column)
        kinds.add(label_kind(labels))
        names += label_names(labels)
        paths += [f"{split}/{i}" if split else str(i) for i in range(len(part))]
        splits += [roles[split]] * len(part)
        sources.append((HuggingFaceSource(part, photos), len(part)))
    if not paths:
        raise DataError("the data set is empty: give at least one photo of each class.")
    kind = kinds.pop() if len(kinds) == 1 else "str"
    return ImageSet.from_names(paths, names, SourceChain(sources), splits=splits, label_kind=kind)


def image_column(dataset: Any, name: str | None = None) -> str:
    """Return which column of a data set has the photos."""
    columns = [name] if name is not None else list(dataset.features)
    for column in columns:
        if type(dataset.features.get(column)).__name__ == "Image":
            return str(column)
    raise DataError(
        f"the data set has no column of images{'' if name is None else f' {name!r}'} (it has "
        f"{listed(list(dataset.column_names))}): cast it to Image, or name it with `path_column`."
    )


def _labels(dataset: Any, name: str | None) -> list[Any]:
    """Return each row's class: its name where there is one."""
    features = dataset.features
    if name is None:
        named = [column for column, kind in features.items() if type(kind).__name__ == "ClassLabel"]
        usual = [column for key in LABEL_COLUMNS for column in features if column_key(column) == key]
        name = next(iter([*named, *usual]), None)
    if name is None or name not in features:
        raise DataError(
            f"the data set has no column of classes (it has {listed(list(dataset.column_names))}): cast one "
            "to ClassLabel, or name it with `label_column`."
        )
    values = list(dataset[name])
    known = getattr(features[name], "names", None)
    if not known:
        return values
    if any(not isinstance(value, int) or not 0 <= value < len(known) for value in values):
        raise DataError(f"the data set has rows without a class in its column {name}: filter them out.")
    return [known[value] for value in values]
