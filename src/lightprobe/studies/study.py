"""What a study is, and how one runs: configurations in, a row each out, and no configuration twice."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightprobe._version import __version__
from lightprobe.backprop import GradientClassifier
from lightprobe.bars import tqdm
from lightprobe.classifier import Settings
from lightprobe.images import ImageSet
from lightprobe.runs import ROWS, append_row, open_run, read_rows
from lightprobe.runtime import Runtime
from lightprobe.studies.context import Row, StudyContext

logger = logging.getLogger(__name__)

Configuration = Mapping[str, Any]

# What of settings and runtime says how a study runs, not what comes of it.
_NO_MATTER = ("workers", "cache", "strict", "progress", "max_memory", "class_map", "classes", "group")


@dataclass(frozen=True)
class Options:
    """What a study may be told beside the classifier's parameters.

    Attributes
    ----------
    within : float
        layers: how much accuracy the smallest network may lose against the best, as a share.
    draws : int
        size: random subsets of each size; projection, sensitivity: seeds of R.
    networks : tuple of (name, weights or None)
        backbones: the networks.
    learners : mapping of str to LinearProbe, FineTune or Scratch
        layers, size: methods by gradients, unfitted, to set beside the closed form.
    """

    within: float = 0.01
    draws: int = 5
    networks: tuple[tuple[str, str | None], ...] = ()
    learners: Mapping[str, GradientClassifier] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """One question.

    Attributes
    ----------
    help : str
        What it asks, on one line.
    configurations : callable
        What to run, from workbench and options; JSON values, each different.
    measure : callable
        Runs one of them: a row without `study` and `configuration`.
    uses : tuple of str
        The fields of Options that it reads; `methods` stands for `learners`.
    varies : tuple of str
        Parameters of the classifier that it sets itself, whatever they are told to be.
    """

    help: str
    configurations: Callable[[StudyContext, Options], list[Configuration]]
    measure: Callable[[StudyContext, Configuration], Row]
    uses: tuple[str, ...] = ()
    varies: tuple[str, ...] = ()


def run_study(
    name: str,
    study: Study,
    images: ImageSet,
    settings: Settings,
    runtime: Runtime,
    out: Path,
    options: Options,
    command: str = "",
) -> list[Row]:
    """Run what of a study has not been run yet, append a row each, and return all its rows.

    Parameters
    ----------
    images : ImageSet
    settings : Settings
    runtime : Runtime
    out : Path
        The run's folder; rows of the same photos, settings and version that lie there are not made again.
    command : str
        The command line that asked for this.
    """
    with open_run(out):
        bench = StudyContext(images, settings, runtime, options.learners)
        identity = _identity(name, bench)
        rows = [row for row in _rows_of(out) if row.get("identity") == identity]
        done = {_key(row["configuration"]) for row in rows}
        wanted = study.configurations(bench, options)
        todo = [configuration for configuration in wanted if _key(configuration) not in done]
        if len(todo) < len(wanted):
            logger.info("%s: %d of %d runs are there already.", name, len(wanted) - len(todo), len(wanted))
        for configuration in tqdm(todo, unit="run", desc=name.capitalize(), disable=not runtime.progress):
            row = {
                "study": name,
                "configuration": dict(configuration),
                "identity": identity,
                "command": command,
                **study.measure(bench, configuration),
            }
            append_row(out, row)
            rows.append(row)
    keys = {_key(configuration) for configuration in wanted}
    return [row for row in rows if _key(row["configuration"]) in keys]


def _rows_of(out: Path) -> Iterator[Row]:
    if (out / ROWS).exists():
        yield from read_rows(out)


def _key(configuration: Configuration) -> str:
    return json.dumps(configuration, sort_keys=True)


def _identity(name: str, bench: StudyContext) -> str:
    """Digest of everything that changes what a configuration comes to."""
    told = asdict(bench.settings) | asdict(bench.runtime)
    parameters = {k: v for k, v in told.items() if k not in _NO_MATTER}
    backbone = bench.backbone(cut=None)
    described = {
        "study": name,
        "photos": bench.photos_digest,
        "network": backbone.digest,
        "preprocessing": backbone.preprocessing.to_config(),
        "parameters": {k: str(v) for k, v in parameters.items()},
        "version": __version__,
    }
    return hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=12).hexdigest()
