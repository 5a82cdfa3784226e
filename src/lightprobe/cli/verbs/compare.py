"""`lightprobe compare`: methods side by side on the same photos."""

import argparse

from lightprobe.cli.methods import lend_backbone, refuse_foreign, train_command
from lightprobe.cli.options import (
    METHODS,
    METHODS_HELP,
    add_data,
    add_methods,
    methods,
    open_data,
    run_folder,
)

HELP = "methods side by side on the same photos: accuracy, time, memory"
USAGE = "DATA --methods a,b,... [--out RUN]"
EXAMPLE = "lightprobe compare photos/ --methods optical,fine-tune"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    out = "folder for rows, the figure, and a run of each method"
    data = add_data(parser, out, test=True, numbered="run")
    data.add_argument("--methods", type=methods, default=METHODS, metavar="a,b", help=METHODS_HELP)
    # A training that goes on does not take the time that a comparison is about.
    add_methods(parser, without=("resume",))


def run(args: argparse.Namespace) -> int:
    """Compare and print a table."""
    from lightprobe.cli import output
    from lightprobe.report import comparison_section, write_report
    from lightprobe.runs import compare

    lend_backbone(args, args.methods)
    refuse_foreign(args, args.methods)
    if not (args.recipe or args.config or any(line.startswith("lr=") for line in args.set or ())):
        args.lr = args.lr or "auto"  # each method at its best, unless it is told how to train
    if args.out is None:
        open_data(args)  # which ends here where it cannot be read, before a folder is made
    folder = run_folder(args)
    comparison = compare({method: train_command(args, method) for method in args.methods}, folder.path)
    report = str(write_report(folder.path))
    folder.finish()
    if args.json:
        output.as_json({**comparison, "report": report})
    else:
        output.section(comparison_section(comparison["rows"]))
        if comparison["figure"] is not None:
            output.figure(comparison["figure"])
        output.report(report)
    return 0
