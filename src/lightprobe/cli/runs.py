"""`lightprobe runs`: rows of many runs side by side."""

import argparse
from pathlib import Path

HELP = "show the rows of all runs in a folder side by side"
USAGE = "DIR"
EXAMPLE = "lightprobe runs runs/ --sort test_accuracy --descending --filter 'n_train>1000'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folder", metavar="DIR", type=Path, help="a run, or a folder with runs anywhere in it"
    )
    parser.add_argument("--sort", metavar="KEY", help="order by it: test_accuracy, seconds.total, ...")
    parser.add_argument("--descending", action="store_true", help="largest first")
    parser.add_argument(
        "--filter", action="append", default=[], metavar="COND",
        help="KEY=VALUE, or !=, <, <=, > and >=; may be given several times",
    )  # fmt: skip
    parser.add_argument("--columns", metavar="A,B", help="keys to show, or all")
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write every key of these rows to a table")


def run(args: argparse.Namespace) -> int:
    """Collect, filter, sort, and print or write."""
    from lightprobe.cli import output
    from lightprobe.csv_text import write_csv
    from lightprobe.runs import COLUMNS, collect_rows, filtered, ordered

    rows = filtered(collect_rows(args.folder), args.filter)
    rows = ordered(rows, args.sort, descending=args.descending)
    every = list(dict.fromkeys(key for row in rows for key in row))
    if args.csv is not None:
        write_csv(args.csv, every, ([row.get(key) for key in every] for row in rows))
    if args.json:
        output.as_json({"rows": rows})
    elif args.csv is None:
        wanted = args.columns.split(",") if args.columns else COLUMNS
        shown = every if args.columns == "all" else [key for key in wanted if key in every]
        output.table([{key: row.get(key) for key in shown} for row in rows])
    return 0
