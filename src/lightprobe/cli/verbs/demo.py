"""`lightprobe demo`: the main job on data and weights inside the package, offline."""

import argparse
from pathlib import Path

HELP = "train on 1,797 handwritten digits with the network inside the package, offline"
USAGE = ""
EXAMPLE = "lightprobe demo --out demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("lightprobe-demo"),
        help="folder for the run (lightprobe-demo)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo and print what a first user wants to know."""
    from lightprobe.cli import output
    from lightprobe.runs import demo

    row = demo(args.out, device=args.device, random_state=args.seed, verbose=not args.quiet)
    if args.json:
        output.as_json(row)
    else:
        output.demo(row)
    return 0
