"""`lightprobe evaluate`: how good a model is on photos with known classes."""

import argparse
from pathlib import Path

from lightprobe.cli.options import DATA_HELP, add_classes_option, add_size_limit, positive_int

HELP = "accuracy, per-class table, confusion matrix and calibration of a model"
USAGE = "MODEL DATA"
EXAMPLE = "lightprobe evaluate run/model photos/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", type=Path, help="folder that train wrote: RUN/model")
    parser.add_argument("data", metavar="DATA", help=f"{DATA_HELP}; its test split, or all of it without one")
    add_classes_option(parser, "as in training")
    parser.add_argument("--root", metavar="DIR", help="where named data sets lie or are downloaded to")
    parser.add_argument("--workers", type=positive_int, metavar="N", help="threads that decode photos")
    add_size_limit(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate and print."""
    from lightprobe.cli import output
    from lightprobe.images import as_class_map, count_skipped, open_images
    from lightprobe.models import load
    from lightprobe.paths import cache_folder
    from lightprobe.runs import evaluation

    model = load(args.model).set_params(
        device=args.device,
        workers=args.workers,
        max_megapixels=args.max_megapixels,
        verbose=not args.quiet,
    )
    root = args.root or cache_folder() / "datasets"
    images = open_images(args.data, root=root, classes=args.classes or model.classes)
    if model.class_map is not None:
        images = as_class_map(model.class_map).apply(images, allow_unmatched=True)
    tested = model.evaluate(images)
    summary = evaluation(tested.labels, tested.probabilities, list(model.classes_))
    summary["n_skipped"] = count_skipped(tested.skipped)
    if args.json:
        output.as_json(summary)
    else:
        output.evaluation(summary)
    return 0
