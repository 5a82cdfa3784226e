from .candidates import AUTO_ENCODINGS, AUTO_KERNELS, Candidate, Choice, choices
from .screening import screen
from .search import Selection, select
from .significance import Photos, optimism, paired_gain
from .stages import AUTO_POOLS, Available, affordable_taps, list_tap_sets, stage_cuts

__all__ = [
    "AUTO_ENCODINGS",
    "AUTO_KERNELS",
    "AUTO_POOLS",
    "Available",
    "Candidate",
    "Choice",
    "Photos",
    "Selection",
    "affordable_taps",
    "choices",
    "list_tap_sets",
    "optimism",
    "paired_gain",
    "screen",
    "select",
    "stage_cuts",
]
