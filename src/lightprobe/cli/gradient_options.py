"""Options of the methods that learn by gradients, and the classifiers that all the options describe."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightprobe.cli.options import classifier, positive_int
from lightprobe.errors import OptionError

if TYPE_CHECKING:
    from lightprobe.backprop import GradientClassifier, Recipe
    from lightprobe.models import Model

# Options that only some methods take: their names and what they are when they are not given.
_OF_THE_LIGHT = {
    "pool": "auto",
    "encode": "auto",
    "kernel": "auto",
    "components": "auto",
    "projection": "structured",
    "alpha": "auto",
}
_OF_TRAINING = {
    "recipe": None,
    "config": None,
    "epochs": None,
    "lr": None,
    "set": None,
    "resume": False,
    "validation_fraction": 0.15,
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
}
_OF_FINE_TUNING = {"unfreeze": "all"}
_OF_SCRATCH = {
    "network": None,
    "batch_norm": True,
    "activation": "relu",
    "pooling": "max",
    "init": "kaiming",
}
_OF_BACKBONES = {"backbone": "starter", "weights": None, "cut": None}
_Defaults = Mapping[str, object]
_TAKES: Mapping[str, tuple[_Defaults, ...]] = {
    "optical": (_OF_BACKBONES, _OF_THE_LIGHT),
    "linear-probe": (_OF_BACKBONES, _OF_TRAINING),
    "fine-tune": (_OF_BACKBONES, _OF_TRAINING, _OF_FINE_TUNING),
    "scratch": (_OF_TRAINING, _OF_SCRATCH),
}


def add_gradient_options(parser: argparse.ArgumentParser) -> None:
    """Add them, unseen in the verb's own help, which names `--help-gradients`: that shows them."""
    parser.add_argument("--help-gradients", action=_ShowGradientOptions, nargs=0, help=argparse.SUPPRESS)
    _declare(parser, hidden=True)


def build_classifier(args: argparse.Namespace, method: str) -> "Model":
    """Build the unfitted classifier that the options describe.

    Raises
    ------
    OptionError
        An option was given that the method does not take.
    """
    _refuse_foreign(args, method)
    _refuse_several(args, method)
    return classifier(args) if method == "optical" else build_learner(args, method)


def build_learner(args: argparse.Namespace, method: str) -> "GradientClassifier":
    """Build the unfitted classifier of a method by gradients; options of other methods are not read."""
    from lightprobe import backprop

    shared: dict[str, Any] = {
        "image_size": args.image_size,
        "recipe": recipe(args, method),
        "validation_fraction": args.validation_fraction,
        "precision": args.precision,
        "engine": args.engine,
        "workers": args.workers,
        "max_megapixels": args.max_megapixels,
        "device": args.device,
        "devices": args.devices,
        "num_nodes": args.num_nodes,
        "strategy": args.strategy,
        "class_map": args.class_map,
        "classes": args.classes,
        "group": args.group,
        "strict": args.strict,
        "resume": args.resume,
        "random_state": args.seed,
        "verbose": not args.quiet,
    }
    if method == "scratch":
        return backprop.Scratch(args.network, **{name: getattr(args, name) for name in _PLAIN}, **shared)
    shared |= {"weights": args.weights, "cut": args.cut}
    if method == "linear-probe":
        return backprop.LinearProbe(args.backbone, **shared)
    unfreeze = int(args.unfreeze) if args.unfreeze.isdecimal() else args.unfreeze
    return backprop.FineTune(args.backbone, unfreeze=unfreeze, **shared)


def recipe(args: argparse.Namespace, method: str) -> "Recipe":
    """Return the recipe that the options name, with the lines that they change."""
    from lightprobe.backprop import find_recipe, read_setting

    if args.recipe and args.config:
        raise OptionError("--recipe and --config both say how to train: give one of them.")
    changes: dict[str, object] = dict(read_setting(text) for text in args.set or ())
    if args.class_weight is not None:
        changes["class_weights"] = args.class_weight
    for name in ("epochs", "lr", "batch_size"):
        if getattr(args, name) is not None:
            changes[name] = getattr(args, name)
    return find_recipe(method, args.recipe or args.config).with_settings(changes)


def train_command(args: argparse.Namespace, method: str) -> list[str]:
    """Return what stands behind `lightprobe train` to train by one method as `compare` was told to.

    Options of other methods are left out; from scratch, it is the backbone's own architecture that learns.
    """
    from lightprobe.paths import cache_folder

    _refuse_several(args, method)
    command = [args.data, "--method", method, "--root", args.root or str(cache_folder() / "datasets")]
    for name, default in {**_SHARED, **{k: v for names in _TAKES[method] for k, v in names.items()}}.items():
        value = getattr(args, name)
        if value == default:
            continue
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            command.append(flag if value else flag.replace("--", "--no-"))
        else:
            for given in value if isinstance(value, list) else [value]:
                command += [flag, str(given)]
    if method == "scratch" and args.network is None:
        command += ["--network", args.backbone]
    return command


_SHARED = {
    **dict.fromkeys(
        ("class_map", "classes", "group", "test_fraction", "image_size", "batch_size", "workers")
    ),
    "max_megapixels": None,
    "class_weight": None,
    "precision": "auto",
    "engine": "auto",
    "device": "auto",
    "seed": 0,
    "strict": False,
    "quiet": False,
    "verbose": False,
    "debug": False,
}
_PLAIN = ("batch_norm", "activation", "pooling", "init")


def _refuse_several(args: argparse.Namespace, method: str) -> None:
    if method != "optical" and "," in args.backbone:
        raise OptionError(
            f"--backbone {args.backbone} names several networks, and --method {method} trains one: name one, "
            "or leave only --method optical, which sees through several at once."
        )


def _refuse_foreign(args: argparse.Namespace, method: str) -> None:
    taken = {name for names in _TAKES[method] for name in names}
    for names in (_OF_BACKBONES, _OF_THE_LIGHT, _OF_TRAINING, _OF_FINE_TUNING, _OF_SCRATCH):
        for name, default in names.items():
            if name not in taken and getattr(args, name) != default:
                takers = [m for m, groups in _TAKES.items() if any(name in group for group in groups)]
                raise OptionError(
                    f"--{name.replace('_', '-')} is no option of --method {method}, "
                    f"but of {' and '.join(takers)}: leave it out or change the method."
                )


def _declare(parser: argparse.ArgumentParser, *, hidden: bool) -> None:
    def add(group: "argparse._ArgumentGroup", flag: str, text: str, **how: Any) -> None:
        group.add_argument(flag, help=argparse.SUPPRESS if hidden else text, **how)

    group = parser.add_argument_group(None if hidden else "training (linear-probe, fine-tune, scratch)")
    add(group, "--recipe", "how to train: tutorial; the method's own without it", metavar="NAME")
    add(group, "--config", "a recipe in a file: lines of `name: value`", metavar="FILE.yaml", type=Path)
    add(
        group,
        "--set",
        "change a line of it, as schedule=cosine",
        metavar="NAME=VALUE",
        action="append",
    )
    add(group, "--epochs", "at most so many", metavar="N", type=positive_int)
    add(
        group,
        "--lr",
        "learning rate of the head; auto finds one",
        metavar="R",
        type=_rate,
    )
    add(group, "--validation-fraction", "share of the training photos that chooses the epoch (0.15)",
        metavar="F", type=float, default=0.15)  # fmt: skip
    add(group, "--resume", "go on where a run was stopped", action="store_true")
    add(group, "--devices", "GPUs or processes to share the work", metavar="N", type=positive_int, default=1)
    add(group, "--num-nodes", "machines that share it", metavar="N", type=positive_int, default=1)
    add(group, "--strategy", "how they do, as Lightning names it", metavar="S", default="auto")
    group = parser.add_argument_group(None if hidden else "fine-tune")
    add(group, "--unfreeze", "what learns: all, head, or how many last stages", metavar="U", default="all")
    group = parser.add_argument_group(None if hidden else "scratch")
    add(group, "--network", "cnn2, cnn3, cnn4, or a backbone's name", metavar="NAME")
    add(group, "--batch-norm", "for cnn2, cnn3, cnn4, as the following three",
        action=argparse.BooleanOptionalAction, default=True)  # fmt: skip
    add(group, "--activation", "relu, leaky-relu, elu, gelu, tanh or sigmoid", metavar="A", default="relu")
    add(group, "--pooling", "max, avg or stride", metavar="P", default="max")
    add(group, "--init", "kaiming, xavier, orthogonal or default", metavar="I", default="kaiming")


def _rate(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, allowed are auto or a number above zero") from None


class _ShowGradientOptions(argparse.Action):
    """Print the hidden options' help and stop."""

    def __call__(self, parser: argparse.ArgumentParser, *_args: Any, **_kwargs: Any) -> None:
        """Print it."""
        shown = argparse.ArgumentParser(
            prog=parser.prog,
            usage="lightprobe train DATA --out RUN --method M [options]",
            formatter_class=parser.formatter_class,
            add_help=False,
        )
        _declare(shown, hidden=False)
        shown.print_help()
        parser.exit()
