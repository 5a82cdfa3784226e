"""`lightprobe predict`: the class of new photos."""

import argparse
import contextlib
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lightprobe.cli.options import positive_int

if TYPE_CHECKING:
    from lightprobe.answers import Prediction

HELP = "say what is in new photos"
USAGE = "MODEL IMAGE|DIR..."
EXAMPLE = "lightprobe predict run/model new.jpg holiday/ --csv answers.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", type=Path, help="folder that train wrote: RUN/model")
    parser.add_argument("images", metavar="IMAGE|DIR", nargs="+", help="images, folders of images, zips")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write the table there, not to stdout")
    parser.add_argument("--top", metavar="K", type=positive_int, default=1, help="how many classes a photo")
    parser.add_argument("--workers", type=positive_int, metavar="N", help="decoding threads")


def run(args: argparse.Namespace) -> int:
    """Predict and write rows as they come."""
    from lightprobe.classifier import load
    from lightprobe.cli import output

    model = load(args.model).set_params(device=args.device, workers=args.workers, verbose=not args.quiet)
    answers = model.iter_predictions(args.images, top=args.top)
    if args.json:
        output.as_json({"predictions": [_record(answer) for answer in answers]})
        return 0
    with _table(args.csv) as file:
        writer = csv.writer(file)
        top = min(args.top, len(model.classes_))
        more = [f"{column}_{k}" for k in range(2, top + 1) for column in ("label", "probability")]
        writer.writerow(["path", "label", "probability", *more, "unknown", "error"])
        for answer in answers:
            pairs = zip(answer.labels, answer.probabilities, strict=True)
            cells = [cell for label, p in pairs for cell in (label, f"{p:.6f}")] or [""] * (2 * top)
            writer.writerow([answer.path, *cells, "false", answer.error])
    return 0


def _record(answer: "Prediction") -> dict[str, object]:
    top = [{"label": c, "probability": p} for c, p in zip(answer.labels, answer.probabilities, strict=True)]
    first = top[0] if top else {"label": None, "probability": None}
    return {"path": answer.path, **first, "top": top, "unknown": False, "error": answer.error}


@contextlib.contextmanager
def _table(path: Path | None) -> Iterator[TextIO]:
    """Open the CSV; a file appears under its name only once it is whole."""
    if path is None:
        yield sys.stdout
        return
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
