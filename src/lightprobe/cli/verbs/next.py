"""`lightprobe next`: which photos to label next."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from lightprobe.cli.options import add_backbone, given, model_path, positive_int, refuse, runtime

HELP = "name the photos whose labels would help most"
USAGE = "FOLDER... [--model MODEL]"
EXAMPLE = "lightprobe next unlabelled/ --model run-1 --n 50 --csv next.csv"

# A model has its own.
_NETWORK = ("backbone", "weights", "cut", "looks", "image_size", "mean", "std")
_ENGINE = ("engine", "precision")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "images",
        metavar="FOLDER",
        nargs="+",
        help="photos without labels: folders, zips, files, lists, patterns",
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        type=model_path,
        help="whose least sure photos are named; without one, photos that are spread over all",
    )
    parser.add_argument("--n", metavar="N", type=positive_int, default=50, help="how many photos (50)")
    parser.add_argument(
        "--csv",
        metavar="FILE",
        type=Path,
        help="write the table there, with an empty column for the labels, and not on the screen",
    )
    add_backbone(parser)


def run(args: argparse.Namespace) -> int:
    """Choose, and write the table."""
    from lightprobe.cli import output
    from lightprobe.csv_text import encoded
    from lightprobe.images import open_unlabelled
    from lightprobe.labelling import as_csv, refuse_lost_labels, spread_photos, write_next
    from lightprobe.photo_model import next_photos
    from lightprobe.saved import read

    if args.csv is not None:
        refuse_lost_labels(args.csv)
    if args.model is None:
        images = open_unlabelled(args.images)
        chosen = spread_photos(images, args.n, runtime(args), **given(args, *_NETWORK))
    else:
        refuse(args, (*_NETWORK, *_ENGINE), "is settled by the model: leave it out, or --model.")
        saved = read(args.model)
        images = open_unlabelled(args.images)
        chosen = next_photos(saved.model, images, args.n, runtime(args, saved.runtime))
    if args.csv is not None:
        write_next(args.csv, chosen.photos)
    if args.json:
        output.as_json({**asdict(chosen), "table": None if args.csv is None else str(args.csv)})
        return 0
    if args.csv is None:
        sys.stdout.buffer.write(encoded(as_csv(chosen.photos)))
    output.next_photos(chosen, args.csv, args.model, quiet=args.quiet)
    return 0
