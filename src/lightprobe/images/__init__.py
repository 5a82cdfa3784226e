"""What comes in: a folder, zip, table, dataset or Python objects become one ImageSet.

Nothing here needs torch; pixels come from `lightprobe.images.decode.decode`.
"""

from lightprobe.images.classmap import ClassMap, as_class_map, parse_class_map
from lightprobe.images.files import read_file
from lightprobe.images.imageset import (
    ImageSet,
    Skipped,
    Source,
    class_name,
    count_skipped,
    natural_key,
    photo_name,
    require_every_class,
)
from lightprobe.images.named import NAMED_DATASETS, NamedDataset
from lightprobe.images.sources import open_images
from lightprobe.images.splits import holdout_mask, sample_mask
from lightprobe.images.tables import read_table
from lightprobe.images.unlabelled import open_listed, open_unlabelled

__all__ = [
    "NAMED_DATASETS",
    "ClassMap",
    "ImageSet",
    "NamedDataset",
    "Skipped",
    "Source",
    "as_class_map",
    "class_name",
    "count_skipped",
    "holdout_mask",
    "natural_key",
    "open_images",
    "open_listed",
    "open_unlabelled",
    "parse_class_map",
    "photo_name",
    "read_file",
    "read_table",
    "require_every_class",
    "sample_mask",
]
