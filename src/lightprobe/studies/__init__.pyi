from .registry import STUDIES
from .study import Options, Study, run_study

__all__ = [
    "STUDIES",
    "Options",
    "Study",
    "run_study",
]
