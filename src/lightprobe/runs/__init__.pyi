from .artifacts import (
    LEFT_OUT,
    TEST,
    Answer,
    Artifacts,
    least_sure,
    read_artifacts,
    surest_mistakes,
    thumbnail_path,
)
from .comparison import compare
from .digits_demo import demo
from .metrics import balanced_accuracy, confusion_matrix, evaluation, wilson_interval
from .photo_map import PhotoMap, choose_photos, heat_path, read_photo_map
from .rows import COLUMNS, ROWS, collect_rows, filtered, ordered, read_rows
from .run_folder import RunFolder, next_run_folder
from .training_run import append_row, open_run, peak_rss_mb, record, train, with_test_split, with_total
from .update import read_relabelling, read_removals, update_saved

__all__ = [
    "COLUMNS",
    "LEFT_OUT",
    "ROWS",
    "TEST",
    "Answer",
    "Artifacts",
    "PhotoMap",
    "RunFolder",
    "append_row",
    "balanced_accuracy",
    "choose_photos",
    "collect_rows",
    "compare",
    "confusion_matrix",
    "demo",
    "evaluation",
    "filtered",
    "heat_path",
    "least_sure",
    "next_run_folder",
    "open_run",
    "ordered",
    "peak_rss_mb",
    "read_artifacts",
    "read_photo_map",
    "read_relabelling",
    "read_removals",
    "read_rows",
    "record",
    "surest_mistakes",
    "thumbnail_path",
    "train",
    "update_saved",
    "wilson_interval",
    "with_test_split",
    "with_total",
]
