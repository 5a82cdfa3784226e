"""`lightprobe predict`: the class of new photos."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lightprobe._version import __version__
from lightprobe.cli.options import add, add_model, fraction, positive_int, runtime
from lightprobe.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lightprobe.images import ImageSet
    from lightprobe.photo_model import Prediction

HELP = "say what is in new photos"
USAGE = "MODEL IMAGE|DIR|ZIP|LIST|PATTERN|-..."
EXAMPLE = "lightprobe predict run-1 new.jpg holiday/ --csv answers.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser, ", or a file that export wrote")
    parser.add_argument(
        "images",
        metavar="IMAGE|DIR|ZIP|LIST|PATTERN|-",
        nargs="+",
        help="images, folders, zips, lists (.csv, .txt), patterns ('shots/**/*.jpg'); -: a list on stdin",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--csv",
        metavar="FILE",
        type=Path,
        help="write the table there, not on the screen; if stopped, the same command goes on"
        " (photos that changed are asked again)",
    )
    target.add_argument("--jsonl", metavar="FILE", type=Path, help="the same as JSON Lines")
    parser.add_argument(
        "--top", metavar="K", type=positive_int, default=1, help="name the K likeliest classes (1)"
    )
    parser.add_argument(
        "--unknown",
        metavar="RATE",
        type=fraction,
        help="call photos of other things unknown; that share of known ones is, too (such as 0.05)",
    )
    parser.add_argument(
        "--coverage",
        metavar="P",
        type=fraction,
        help="name the smallest set of labels that holds the right one in this share of photos (such as 0.9)",
    )
    parser.add_argument(
        "--why",
        metavar="K",
        type=positive_int,
        default=0,
        help="name the K training photos that argued most for and against",
    )
    parser.add_argument(
        "--sort",
        choices=("confidence", "path"),
        metavar="S",
        help="confidence (least sure first) or path; answers then come all at once",
    )
    parser.add_argument(
        "--copy-into",
        metavar="DIR",
        type=Path,
        help="copy each photo into DIR/ANSWER (what is unknown into DIR/unknown); overwrites nothing",
    )
    parser.add_argument("--link", action="store_true", help="of --copy-into: links instead of copies")
    add(parser, "workers", "max_megapixels")


def run(args: argparse.Namespace) -> int:
    """Predict and write rows as they come."""
    from lightprobe.cli import output
    from lightprobe.photo_model import as_record, model_digest
    from lightprobe.prediction_files import (
        FORMS,
        SORTS,
        Copies,
        Tally,
        photo_blocks,
        write_rows,
        write_sorted,
        write_table,
    )

    if args.link and args.copy_into is None:
        raise OptionError(
            "--link says how --copy-into brings photos into its folders: name a folder with it."
        )
    ask, n_classes = _open(args)
    tally = Tally()
    answer = tally.over(
        partial(ask, top=args.top, unknown=args.unknown, why=args.why, coverage=args.coverage)
    )
    if args.copy_into is not None:
        answer = Copies(args.copy_into, link=args.link).over(answer)
    blocks: Iterable[ImageSet] = photo_blocks(args.images, sys.stdin.buffer)
    target, resumed = args.csv or args.jsonl, 0
    form = FORMS["jsonl" if args.jsonl else "csv"](
        min(args.top, n_classes), args.why > 0, args.coverage is not None
    )
    if args.sort is not None:
        answers = sorted((a for images in blocks for a in answer(images)), key=SORTS[args.sort])
        tally.require_one()
        if args.json and target is None:
            output.as_json_list("predictions", map(as_record, answers))
        else:
            write_sorted(target or sys.stdout.buffer, form, answers)
        if args.json and target is not None:
            output.as_json({"table": str(target), "n": len(answers), "n_resumed": 0})
        return 0
    if args.json and target is None:
        output.as_json_list("predictions", (as_record(a) for images in blocks for a in answer(images)))
        tally.require_one()
        return 0
    if target is None:
        write_rows(sys.stdout.buffer, form, blocks, answer)
    else:
        made_by = f"{__version__} {model_digest(args.model)}"
        asked = f"{made_by} top {args.top} unknown {args.unknown} why {args.why} coverage {args.coverage}"
        written = write_table(target, form, blocks, answer, asked)
        resumed = written.n_resumed
    if not resumed:
        tally.require_one()
    if args.json:
        output.as_json({"table": str(target), "n": written.n, "n_resumed": resumed})
    return 0


def _open(args: argparse.Namespace) -> "tuple[Callable[..., Iterable[Prediction]], int]":
    """Open a model or an exported file: what answers about photos, and how many classes it knows."""
    from lightprobe.export import ExportedClassifier, format_of
    from lightprobe.photo_model import iter_predictions
    from lightprobe.saved import read

    if format_of(args.model) is None:
        saved = read(args.model)
        ask = partial(iter_predictions, saved.model, runtime=runtime(args, saved.runtime))
        return ask, len(saved.model.classes)
    exported = ExportedClassifier.load(args.model).set_params(
        device=args.device,
        workers=args.workers,
        max_megapixels=args.max_megapixels,
        verbose=not args.quiet,
    )
    return exported.iter_predictions, len(exported.classes_)
