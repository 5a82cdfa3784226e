from .merged_run import merge_into
from .merging import merge
from .part import Part, check_place, read_part
from .sharding import Shard
from .summing import COMPONENTS, sum_photos, summary

__all__ = [
    "COMPONENTS",
    "Part",
    "Shard",
    "check_place",
    "merge",
    "merge_into",
    "read_part",
    "sum_photos",
    "summary",
]
