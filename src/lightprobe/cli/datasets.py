"""`lightprobe datasets`: the data sets that can be named."""

import argparse

HELP = "list the data sets that can be named as DATA"
EXAMPLE = "lightprobe datasets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options: none of its own."""


def run(args: argparse.Namespace) -> int:
    """List."""
    from lightprobe.cli import output
    from lightprobe.images import NAMED_DATASETS

    rows = [dataset.to_config() for dataset in NAMED_DATASETS.values()]
    if args.json:
        output.as_json({"datasets": rows})
    else:
        output.table(rows)
    return 0
