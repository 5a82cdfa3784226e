"""`lightprobe train`: a folder of photos becomes a classifier on disk."""

import argparse

from lightprobe.cli.gradient_options import add_gradient_options, build_classifier
from lightprobe.cli.options import (
    add_backbone_options,
    add_data_options,
    add_head_options,
    fraction,
    open_data,
)

HELP = "train a classifier on a folder of photos"
USAGE = "DATA --out RUN"
EXAMPLE = "lightprobe train photos/ --out run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    data = add_data_options(
        parser, out="folder for the model, its report, its row, the log and the list of skipped files"
    )
    data.add_argument(
        "--test-fraction", type=fraction, metavar="F", help="share of each class set aside for test, as 0.2"
    )
    add_backbone_options(parser)
    add_head_options(parser)
    add_gradient_options(parser)


def run(args: argparse.Namespace) -> int:
    """Train and say what came of it."""
    from lightprobe.cli import output
    from lightprobe.report import write_report
    from lightprobe.runs import train, with_test_split

    unfitted = build_classifier(args, args.method)
    images = with_test_split(open_data(args), args.test_fraction, args.seed)
    row = train(images, unfitted, args.out, command=args.command, data=args.data)
    report = str(write_report(args.out))
    if args.json:
        output.as_json({**row, "report": report})
    else:
        output.training(row)
        output.report(report)
        output.after_training(row)
    return 130 if row.get("interrupted") else 0
