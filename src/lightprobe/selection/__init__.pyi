from .candidates import AUTO_ENCODINGS, AUTO_KERNELS, Candidate, Choice, choices
from .rule import Photos, Rivals, optimism
from .screening import screen
from .search import Selection, judge, select
from .stages import AUTO_POOL, Available, affordable_taps, list_tap_sets, stage_cuts

__all__ = [
    "AUTO_ENCODINGS",
    "AUTO_KERNELS",
    "AUTO_POOL",
    "Available",
    "Candidate",
    "Choice",
    "Photos",
    "Rivals",
    "Selection",
    "affordable_taps",
    "choices",
    "judge",
    "list_tap_sets",
    "optimism",
    "screen",
    "select",
    "stage_cuts",
]
