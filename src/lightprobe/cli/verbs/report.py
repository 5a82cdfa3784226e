"""`lightprobe report`: a run's page, made again."""

import argparse
from pathlib import Path

HELP = "write a run's report.html again, from its rows and what it kept"
USAGE = "RUN"
EXAMPLE = "lightprobe report run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="folder that --out named")


def run(args: argparse.Namespace) -> int:
    """Write it and say where it lies."""
    from lightprobe.cli import output
    from lightprobe.report import write_report

    path = str(write_report(args.run_folder))
    if args.json:
        output.as_json({"report": path})
    else:
        output.names([path])
    return 0
