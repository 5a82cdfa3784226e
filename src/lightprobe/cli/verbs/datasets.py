"""`lightprobe datasets`: the data sets that can be named."""

import argparse

HELP = "list the data sets that can be named as DATA"
USAGE = ""
EXAMPLE = "lightprobe datasets"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the verb has no options of its own."""


def run(args: argparse.Namespace) -> int:
    """List."""
    from lightprobe.cli import output
    from lightprobe.images import NAMED_DATASETS

    columns = ("name", "classes", "images", "size", "what")
    rows = [{column: getattr(entry, column) for column in columns} for entry in NAMED_DATASETS.values()]
    if args.json:
        output.as_json({"datasets": rows})
    else:
        output.table(rows)
    return 0
