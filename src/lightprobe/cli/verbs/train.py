"""`lightprobe train`: a folder of photos becomes a classifier on disk."""

import argparse

from lightprobe.cli.methods import build, refuse_foreign
from lightprobe.cli.options import METHODS, METHODS_HELP, add, add_data, add_methods, open_data, run_folder

HELP = "train a classifier on a folder of photos"
USAGE = "DATA [--out RUN]"
EXAMPLE = "lightprobe train photos/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    out = "folder for the model, its report, its row, the log and the list of skipped files"
    data = add_data(parser, out, test=True, numbered="run")
    add(data, "no_map")
    data.add_argument("--method", default="optical", choices=METHODS, metavar="M", help=METHODS_HELP)
    add_methods(parser)


def run(args: argparse.Namespace) -> int:
    """Train and say what came of it."""
    from lightprobe.cli import output
    from lightprobe.report import write_report
    from lightprobe.runs import train

    refuse_foreign(args, [args.method])
    images = open_data(args)
    folder = run_folder(args)
    row = train(
        images,
        build(args, args.method),
        folder.path,
        command=args.command,
        data=args.data,
        with_map=not args.no_map,
    )
    report = str(write_report(folder.path))
    if not row.get("interrupted"):
        folder.finish()
    if args.json:
        output.as_json({**row, "report": report})
    else:
        output.training(row, report, verbose=args.verbose)
    return 130 if row.get("interrupted") else 0
