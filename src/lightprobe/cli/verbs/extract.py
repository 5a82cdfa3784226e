"""`lightprobe extract`: what a network sees in photos, in a file."""

import argparse

from lightprobe.cli.options import add_backbone, add_data, given, open_data, runtime

HELP = "write features, labels and paths to a file, for a head of your own"
USAGE = "DATA --out FILE"
EXAMPLE = "lightprobe extract photos/ --out features.npz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser, "features.npz or features.parquet", "FILE")
    add_backbone(parser)
    parser.add_argument(
        "--pool",
        default="avg",
        choices=("avg", "flatten", "both"),
        metavar="P",
        help="positions in the photo: avg (averaged), flatten (kept apart) or both",
    )


def run(args: argparse.Namespace) -> int:
    """Extract and say what lies where."""
    from lightprobe.cli import output
    from lightprobe.features import extract_to_file

    summary = extract_to_file(
        open_data(args),
        args.out,
        runtime(args),
        pools=("avg", "flatten") if args.pool == "both" else (args.pool,),
        **given(args, "backbone", "weights", "cut", "looks", "image_size", "mean", "std"),
    )
    if args.json:
        output.as_json(summary)
    else:
        output.extraction(summary)
    return 0
