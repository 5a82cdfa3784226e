from .classmap import ClassMap, as_class_map, parse_class_map
from .decode_ahead import decode_ahead, default_workers
from .decoding import decode, sniff
from .files import ZipSource, read_file
from .imageset import (
    ImageSet,
    Skipped,
    Source,
    as_labels,
    class_name,
    count_skipped,
    natural_key,
    photo_name,
    require_every_class,
)
from .jpeg_structure import read_jpeg_structure
from .kinds import IMAGE_SUFFIXES
from .named import NAMED_DATASETS, NamedDataset
from .pillow import BYTES_A_PIXEL
from .sources import open_images
from .splits import holdout_mask, sample_mask
from .summary import announce, summary_lines
from .tables import read_table
from .thumbnail import data_address, thumbnail
from .unlabelled import open_listed, open_unlabelled

__all__ = [
    "BYTES_A_PIXEL",
    "IMAGE_SUFFIXES",
    "NAMED_DATASETS",
    "ClassMap",
    "ImageSet",
    "NamedDataset",
    "Skipped",
    "Source",
    "ZipSource",
    "announce",
    "as_class_map",
    "as_labels",
    "class_name",
    "count_skipped",
    "data_address",
    "decode",
    "decode_ahead",
    "default_workers",
    "holdout_mask",
    "natural_key",
    "open_images",
    "open_listed",
    "open_unlabelled",
    "parse_class_map",
    "photo_name",
    "read_file",
    "read_jpeg_structure",
    "read_table",
    "require_every_class",
    "sample_mask",
    "sniff",
    "summary_lines",
    "thumbnail",
]
