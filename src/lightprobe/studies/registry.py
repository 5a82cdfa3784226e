"""The studies, by name."""

from typing import Final

from lightprobe.studies import backbones, layers, precision, projection, sensitivity, size
from lightprobe.studies.study import Study

STUDIES: Final[dict[str, Study]] = {
    "layers": layers.STUDY,
    "precision": precision.STUDY,
    "size": size.STUDY,
    "projection": projection.STUDY,
    "backbones": backbones.STUDY,
    "sensitivity": sensitivity.STUDY,
}
