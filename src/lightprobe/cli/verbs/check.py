"""`lightprobe check`: what is wrong with the photos and their labels."""

import argparse
from dataclasses import asdict

from lightprobe.cli.options import add_backbone, add_data, given, open_data, run_folder, runtime

HELP = "find bad files, copies, leaks between splits and labels that look wrong"
USAGE = "DATA [--out DIR]"
EXAMPLE = "lightprobe check photos/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_data(parser, "folder for check.csv and check.html", "DIR", numbered="check")
    add_backbone(parser)


def run(args: argparse.Namespace) -> int:
    """Check, write the report and sum it up; status 1 if there is something to look at."""
    from lightprobe.check import check, summary_lines, write_report
    from lightprobe.cli import output

    images = open_data(args)
    folder = run_folder(args, "check")
    found = check(
        images,
        runtime(args),
        **given(args, "backbone", "weights", "cut", "looks", "image_size", "mean", "std"),
    )
    files = write_report(found, images, folder.path)
    folder.finish()
    if args.json:
        output.as_json(
            {
                "n": found.n,
                "counts": found.counts(),
                "loo_accuracy": found.loo_accuracy,
                "unjudged": found.unjudged,
                "wrong_labels": found.wrong_labels,
                "groups": found.groups and {**asdict(found.groups), "leak_points": found.groups.leak},
                "confusable": [asdict(pair) for pair in found.confusable],
                "findings": [asdict(finding) for finding in found.findings],
                **files,
            }
        )
    else:
        output.names([*summary_lines(found), *(f"{name:6}  {path}" for name, path in files.items())])
    return 1 if found.findings else 0
