"""What the network's arithmetic costs and saves: table 1 of LightOn's second text."""

import logging

from lightprobe.errors import MissingExtraError, OptionError
from lightprobe.studies.context import Row, StudyContext
from lightprobe.studies.study import Configuration, Options, Study

logger = logging.getLogger(__name__)

PRECISIONS = ("fp32", "bf16", "fp16", "int8")


def configurations(bench: StudyContext, options: Options) -> list[Configuration]:
    """Try every precision; those that this machine has no arithmetic for are said to be so."""
    del bench, options
    return [{"precision": precision} for precision in PRECISIONS]


def measure(bench: StudyContext, configuration: Configuration) -> Row:
    """Look at the photos in one precision and fit."""
    backbone = bench.backbone()
    choice = bench.choice(backbone)
    precision = configuration["precision"]
    try:
        look = bench.look(backbone, choice.taps.taps, precision=precision)
    except (OptionError, MissingExtraError) as error:
        logger.warning("%s is left out: %s", precision, error)
        return {"method": "optical", "backbone": backbone.name, "precision": precision, "dropped": str(error)}
    return bench.run(look, choice)


STUDY = Study(
    "accuracy, seconds and bytes at fp32, bf16, fp16 and int8", configurations, measure, varies=("precision",)
)
