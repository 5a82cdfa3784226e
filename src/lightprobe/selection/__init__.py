"""Which layer, encoding and kernel to use: candidates scored by leave-one-out, from one pass."""

from lightprobe.selection.candidates import AUTO_ENCODINGS, AUTO_KERNELS, Candidate, Choice, choices
from lightprobe.selection.comparison import Selection, select
from lightprobe.selection.taps import AUTO_POOLS, affordable_taps, stage_cuts
from lightprobe.selection.views import Views, open_views

__all__ = [
    "AUTO_ENCODINGS",
    "AUTO_KERNELS",
    "AUTO_POOLS",
    "Candidate",
    "Choice",
    "Selection",
    "Views",
    "affordable_taps",
    "choices",
    "open_views",
    "select",
    "stage_cuts",
]
