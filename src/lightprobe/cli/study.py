"""`lightprobe study`: one question, answered on your own photos."""

import argparse

from lightprobe.cli.gradient_options import add_gradient_options, build_learner
from lightprobe.cli.options import (
    add_backbone_options,
    add_data_options,
    add_head_options,
    classifier,
    fraction,
    methods,
    open_data,
    positive_int,
    runtime,
)
from lightprobe.errors import OptionError

# As `STUDIES` has them: known here without importing what they compute with.
NAMES = ("layers", "precision", "size", "projection", "backbones", "sensitivity")
WITH_METHODS = ("layers", "size")

HELP = f"answer a question on your photos: {', '.join(NAMES)}"
USAGE = "NAME DATA --out RUN"
EXAMPLE = "lightprobe study size photos/ --out run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    # Named in the description, so that the help keeps to one screen.
    parser.add_argument("study", metavar="NAME", choices=NAMES, help=argparse.SUPPRESS)
    data = add_data_options(
        parser, out="folder for the rows, the log and report.html; an interrupted study goes on"
    )
    data.add_argument(
        "--test-fraction", type=fraction, metavar="F", help="share of each class set aside for test, as 0.2"
    )
    data.add_argument(
        "--within", type=fraction, default=0.01, metavar="F",
        help="layers: accuracy that the smallest network may lose (0.01)",
    )  # fmt: skip
    data.add_argument(
        "--draws", type=positive_int, default=5, metavar="N", help="random subsets, or seeds, of each (5)"
    )
    data.add_argument(
        "--networks", type=networks, default=(), metavar="A,B=FILE", help="backbones: their names and weights"
    )
    data.add_argument(
        "--methods", type=methods, default=("optical",), metavar="a,b",
        help="layers, size: set methods by gradients beside (their options: --help-gradients)",
    )  # fmt: skip
    add_backbone_options(parser)
    add_head_options(parser, method=False)
    add_gradient_options(parser)


def networks(text: str) -> tuple[tuple[str, str | None], ...]:
    """Parse NAME or NAME=FILE, with commas between."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name for name, _, _ in pairs):
        raise argparse.ArgumentTypeError(f"got {text!r}, allowed are NAME or NAME=FILE with commas between")
    return tuple((name, weights or None) for name, _, weights in pairs)


def run(args: argparse.Namespace) -> int:
    """Run what is left of a study and say what it says."""
    from lightprobe.cli import output
    from lightprobe.report import study_sections, write_report
    from lightprobe.runs import with_test_split
    from lightprobe.studies import STUDIES, Options, run_study

    images = with_test_split(open_data(args), args.test_fraction, args.seed)
    if args.methods != ("optical",) and args.study not in WITH_METHODS:
        raise OptionError(
            f"--methods is an option of the studies {' and '.join(WITH_METHODS)}: "
            f"leave it out for {args.study}."
        )
    if args.network is None:
        args.network = args.backbone  # from scratch it is the same architecture that learns
    learners = {method: build_learner(args, method) for method in args.methods if method != "optical"}
    options = Options(args.within, args.draws, args.networks, learners)
    settings = classifier(args).settings
    study = STUDIES[args.study]
    rows = run_study(args.study, study, images, settings, runtime(args), args.out, options, args.command)
    report = str(write_report(args.out))
    if args.json:
        output.as_json({"rows": rows, "report": report})
    else:
        for section in study_sections(rows):
            output.section(section)
        output.report(report)
    return 0
