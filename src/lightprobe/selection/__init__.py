"""Which layer, encoding and kernel to use: candidates scored by leave-one-out, from one pass."""

from lightprobe.selection.candidates import AUTO_ENCODINGS, AUTO_KERNELS, Candidate, Choice, choices
from lightprobe.selection.search import Selection, select
from lightprobe.selection.significance import Photos, optimism, paired_gain
from lightprobe.selection.stages import AUTO_POOLS, Available, affordable_taps, list_tap_sets, stage_cuts

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
    "select",
    "stage_cuts",
]
