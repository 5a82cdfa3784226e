"""`lightprobe study`: one question, answered on your own photos."""

import argparse

from lightprobe.cli.methods import build, lend_backbone, refuse_foreign
from lightprobe.cli.options import (
    OPTIONS,
    add_data,
    add_methods,
    fraction,
    given,
    methods,
    open_data,
    positive_int,
    refuse,
    run_folder,
)
from lightprobe.errors import OptionError

# As `STUDIES` has them: known here without importing what they compute with.
NAMES = ("layers", "precision", "size", "projection", "backbones", "sensitivity")
HELP = f"answer a question on your photos: {', '.join(NAMES)}"
USAGE = "NAME DATA [--out RUN]"
EXAMPLE = "lightprobe study size photos/ --out run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    # Named in the description, so that the help keeps to one screen.
    parser.add_argument("study", metavar="NAME", choices=NAMES, help=argparse.SUPPRESS)
    out = "folder for the rows, the log and report.html; an interrupted study goes on"
    data = add_data(parser, out, test=True, numbered="run")
    for name, metavar, kind, text in (
        ("within", "F", fraction, "layers: accuracy that the smallest network may lose (0.01)"),
        ("draws", "N", positive_int, "random subsets, or seeds, of each (5)"),
        ("networks", "A,B=FILE", networks, "backbones: their names and weights"),
        ("methods", "a,b", methods, "layers, size: set methods by gradients beside (see --help-gradients)"),
    ):
        data.add_argument(f"--{name}", type=kind, metavar=metavar, help=text)
    add_methods(parser, without=("keep", "resume"))  # no model is kept, and none goes on


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
    from lightprobe.studies import STUDIES, Options, run_study

    study = STUDIES[args.study]
    own = given(args, "within", "draws", "networks", "methods")
    for name in own.keys() - set(study.uses):
        users = " and ".join(other for other, one in STUDIES.items() if name in one.uses)
        raise OptionError(f"--{name} is an option of study {users}: leave it out for {args.study}.")
    varied = [name for name, option in OPTIONS.items() if option.sets in study.varies]
    refuse(args, varied, f"is what the study {args.study} itself sets: leave it out.")
    refuse(args, ["looks", "quality"], "is no option of studies, which take networks by name: leave it out.")
    if args.cut == "auto":
        raise OptionError(
            "--cut auto is no layer, and a study fits one at a time: name it, or ask for study layers."
        )
    names = ["optical", *(method for method in own.pop("methods", ()) if method != "optical")]
    lend_backbone(args, names)
    refuse_foreign(args, names)
    light, *learners = (build(args, name) for name in names)
    options = Options(**own, learners=dict(zip(names[1:], learners, strict=True)))
    settings, runtime = light.settings, light.runtime
    images = open_data(args)
    folder = run_folder(args)
    rows = run_study(args.study, study, images, settings, runtime, folder.path, options, args.command)
    report = str(write_report(folder.path))
    folder.finish()
    if args.json:
        output.as_json({"rows": rows, "report": report})
    else:
        for section in study_sections(rows):
            output.section(section)
        output.report(report)
    return 0
