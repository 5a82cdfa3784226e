"""Studies: a question each, answered on the user's own photos; configurations in, rows out."""

from lightprobe.evidence.studies import backbones, layers, precision, projection, sensitivity, size
from lightprobe.evidence.studies.study import Options, Study, run_study

STUDIES: dict[str, Study] = {
    "layers": layers.STUDY,
    "precision": precision.STUDY,
    "size": size.STUDY,
    "projection": projection.STUDY,
    "backbones": backbones.STUDY,
    "sensitivity": sensitivity.STUDY,
}

__all__ = ["STUDIES", "Options", "Study", "run_study"]
