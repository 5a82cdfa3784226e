from .batches import SAME_SCENE, Batch, choose_spread, choose_unsure
from .first_photos import spread_photos
from .next_photos import NextPhotos, PhotoToLabel, as_csv, check_number, refuse_lost_labels, write_next

__all__ = [
    "SAME_SCENE",
    "Batch",
    "NextPhotos",
    "PhotoToLabel",
    "as_csv",
    "check_number",
    "choose_spread",
    "choose_unsure",
    "refuse_lost_labels",
    "spread_photos",
    "write_next",
]
