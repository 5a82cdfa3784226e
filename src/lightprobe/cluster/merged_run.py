"""A merged model as a run: the folder that training on one machine would have left."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightprobe.cluster.merging import merge
from lightprobe.images import ImageSet
from lightprobe.runs import open_run, record


def merge_into(out: Path, paths: Sequence[str | Path], *, command: str = "", **how: Any) -> dict[str, Any]:
    """Merge parts and write the run down.

    Parameters
    ----------
    out : Path
        The run's folder; see `runs.train`. The photos are elsewhere, so the report shows none.
    paths, how
        As for `merge`.
    command : str
        The command line that asked for this, for the report.

    Returns
    -------
    row : dict
        JSON values, the same as in `rows.jsonl`.
    """
    with open_run(out):
        start = time.perf_counter()
        classifier = merge(paths, **how)
        nowhere = ImageSet.from_names([], [], _Elsewhere())
        took = time.perf_counter() - start
        return record(classifier, nowhere, out, took, command=command, with_map=False)


class _Elsewhere:
    """Where no photo can be read."""

    def read(self, index: int) -> bytes:
        raise IndexError(index)
