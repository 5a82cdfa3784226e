"""`lightprobe runs`: rows of many runs side by side."""

import argparse
from pathlib import Path

from lightprobe.errors import OptionError

HELP = "show the rows of all runs in a folder side by side"
USAGE = "DIR"
EXAMPLE = "lightprobe runs . --sort test_accuracy --descending --filter 'n_train>1000'"


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
    parser.add_argument("--columns", metavar="A,B", help="keys to show or write, or all")
    parser.add_argument(
        "--csv", metavar="FILE", type=Path, help="write these rows, all keys without --columns, to a table"
    )


def run(args: argparse.Namespace) -> int:
    """Collect, filter, sort, and print or write."""
    from lightprobe.cli import output
    from lightprobe.csv_text import write_csv
    from lightprobe.runs import COLUMNS, collect_rows, filtered, ordered

    if args.descending and args.sort is None:
        raise OptionError("--descending is the order of what --sort names: give --sort KEY, or leave it out.")
    rows = filtered(collect_rows(args.folder), args.filter)
    rows = ordered(rows, args.sort, descending=args.descending)
    every = list(dict.fromkeys(key for row in rows for key in row))
    is_table = args.csv is None and not args.json
    columns = ",".join(COLUMNS) if args.columns is None and is_table else args.columns or "all"
    shown = every if columns == "all" else [key for key in columns.split(",") if key in every]
    if args.csv is not None:
        write_csv(args.csv, shown, ([row.get(key) for key in shown] for row in rows))
    if args.json and args.columns is None:
        output.as_json({"rows": rows})
    elif args.json or is_table:
        shown_rows = [{key: row.get(key) for key in shown} for row in rows]
        output.as_json({"rows": shown_rows}) if args.json else output.table(shown_rows)
    return 0
