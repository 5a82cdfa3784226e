"""`lightprobe evaluate`: how good a model is on photos with known classes."""

import argparse

from lightprobe.cli.options import DATA_HELP, add, add_model, given, root, runtime

HELP = "accuracy, per-class table, confusion matrix and calibration of a model"
USAGE = "MODEL DATA"
EXAMPLE = "lightprobe evaluate run-1 photos/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model(parser)
    parser.add_argument("data", metavar="DATA", help=f"{DATA_HELP}; its test split, or all of it without one")
    add(parser, "classes", "path_column", "label_column", "root", "workers", "max_megapixels")


def run(args: argparse.Namespace) -> int:
    """Evaluate and print."""
    from lightprobe.cli import output
    from lightprobe.images import announce, count_skipped
    from lightprobe.photo_model import evaluate, open_labelled
    from lightprobe.runs import evaluation
    from lightprobe.saved import read

    saved = read(args.model)
    told = {name: saved.parameters.get(name) for name in ("class_map", "classes")} | given(
        args, "classes", "path_column", "label_column"
    )
    images = open_labelled(args.data, root=root(args), unmatched=True, **told)
    announce(images, args.data)
    tested = evaluate(saved.model, images, runtime(args, saved.runtime))
    summary = evaluation(tested.labels, tested.probabilities, list(saved.model.classes))
    summary["n_skipped"] = count_skipped(tested.skipped)
    if args.json:
        output.as_json(summary)
    else:
        output.evaluation(summary)
    return 0
