"""`lightprobe compare`: methods side by side on the same photos."""

import argparse

from lightprobe.cli.gradient_options import add_gradient_options, train_command
from lightprobe.cli.options import (
    METHODS,
    METHODS_HELP,
    add_backbone_options,
    add_data_options,
    add_head_options,
    fraction,
    methods,
)

HELP = "methods side by side on the same photos: accuracy, time, memory"
USAGE = "DATA --methods a,b,... --out RUN"
EXAMPLE = "lightprobe compare photos/ --methods optical,fine-tune --out comparison"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    data = add_data_options(parser, out="folder for rows, the figure, and a run of each method")
    data.add_argument("--methods", type=methods, default=METHODS, metavar="a,b", help=METHODS_HELP)
    data.add_argument(
        "--test-fraction", type=fraction, metavar="F", help="share of each class set aside for test, as 0.2"
    )
    add_backbone_options(parser)
    add_head_options(parser, method=False)
    add_gradient_options(parser)
    parser.set_defaults(lr="auto")


def run(args: argparse.Namespace) -> int:
    """Compare and print a table."""
    from lightprobe.cli import output
    from lightprobe.report import comparison_section, write_report
    from lightprobe.runs import compare

    comparison = compare({method: train_command(args, method) for method in args.methods}, args.out)
    report = str(write_report(args.out))
    if args.json:
        output.as_json({**comparison, "report": report})
    else:
        output.section(comparison_section(comparison["rows"]))
        if comparison["figure"] is not None:
            output.figure(comparison["figure"])
        output.report(report)
    return 0
