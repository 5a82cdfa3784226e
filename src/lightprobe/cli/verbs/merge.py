"""`lightprobe merge`: parts that `sums` wrote become a model."""

import argparse
from pathlib import Path

from lightprobe.cli.options import OPTIONS, given

HELP = "make a model of the parts that sums wrote: that of all their photos"
USAGE = "FILE... --out RUN"
EXAMPLE = "lightprobe merge part-*.safetensors --out run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("parts", metavar="FILE", nargs="+", type=Path, help="all parts, in any order")
    parser.add_argument("--out", metavar="RUN", type=Path, required=True, help="folder for model and report")
    parser.add_argument(
        "--mixed", action="store_true", help="allow parts of other engines or precisions beside each other"
    )
    OPTIONS["alpha"].declare(parser)
    parser.add_argument("--backbone", metavar="NAME", help="the parts' network, if it lies elsewhere here")
    parser.add_argument("--weights", metavar="FILE", help="its weights, likewise")


def run(args: argparse.Namespace) -> int:
    """Merge and say what came of it."""
    from lightprobe.cli import output
    from lightprobe.cluster import merge_into
    from lightprobe.report import write_report

    row = merge_into(
        args.out,
        args.parts,
        mixed=args.mixed,
        device=args.device,
        command=args.command,
        **given(args, "alpha", "backbone", "weights"),
    )
    report = str(write_report(args.out))
    if args.json:
        output.as_json({**row, "report": report})
    else:
        output.training(row, report, verbose=args.verbose)
    return 0
