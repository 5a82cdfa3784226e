"""`lightprobe update`: photos added, forgotten and relabelled, without training again."""

import argparse
from pathlib import Path

from lightprobe.cli.options import DATA_HELP, add, add_model, given, refuse

HELP = "add, forget or relabel photos: the same model as trained on the changed set"
USAGE = "MODEL [--add DATA] [--remove PHOTO...]"
EXAMPLE = "lightprobe update run-1 --add more/ --remove photos/cat/7.jpg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser)
    parser.add_argument("--add", metavar="DATA", help=f"{DATA_HELP}; classes may be new")
    add(parser, "classes")
    parser.add_argument(
        "--remove", metavar="PHOTO", nargs="+", default=[],
        help="photos, or tables of paths (.csv), to forget: model, run and feature cache lose every trace",
    )  # fmt: skip
    parser.add_argument(
        "--relabel", metavar="CSV", type=Path, help="table path,label with the right class of each photo"
    )
    parser.add_argument(
        "--reselect", action="store_true", help="choose pooling, encoding and kernel again, too"
    )
    add(parser, "workers", "max_megapixels")


def run(args: argparse.Namespace) -> int:
    """Update in place and say what came of it."""
    from lightprobe.cli import output
    from lightprobe.runs import read_relabelling, read_removals, update_saved

    if args.add is None:
        refuse(args, ["classes"], "says how to read the photos of --add: leave it out, or add some.")
    row = update_saved(
        args.model,
        args.add,
        remove=read_removals(args.remove),
        relabel=read_relabelling(args.relabel) if args.relabel else None,
        reselect=args.reselect,
        device=args.device,
        verbose=not args.quiet,
        **{"workers": None, "max_megapixels": None} | given(args, "workers", "max_megapixels", "classes"),
    )
    if args.json:
        output.as_json(row)
    else:
        output.update(row)
    return 0
