"""What each method makes of the options: its classifier, or the command line that trains by it."""

import argparse
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lightprobe.cli.options import OPTIONS, Option, given, root
from lightprobe.errors import OptionError

if TYPE_CHECKING:
    from lightprobe.backprop import Recipe
    from lightprobe.models import Model


def parameters(method: str) -> dict[str, Any]:
    """Return the parameters of a method's classifier with their defaults."""
    from lightprobe.models import METHODS

    return {name: p.default for name, p in inspect.signature(METHODS[method]).parameters.items()}


def takes(method: str, option: Option) -> bool:
    """Whether a method does something with an option; what says which photos are meant, every method does."""
    known = parameters(method)
    return not option.sets or option.sets in known or bool(option.line and "recipe" in known)


def refuse_foreign(args: argparse.Namespace, methods: Sequence[str]) -> None:
    """Refuse what none of the methods can honour.

    Raises
    ------
    OptionError
        An option was given that none of them takes, or several networks for one that trains a single one.
    """
    from lightprobe.models import METHODS

    for name in given(args):
        option = OPTIONS[name]
        if not any(takes(method, option) for method in methods):
            takers = [method for method in METHODS if takes(method, option)]
            raise OptionError(
                f"{option.flag} is no option of --method {' or '.join(methods)}, but of "
                f"{' and '.join(takers)}: leave it out or change the method."
            )
    single = [method for method in methods if method != "optical"]
    if single and "," in (args.backbone or ""):
        raise OptionError(
            f"--backbone {args.backbone} names several networks, and --method {single[0]} trains one: name "
            "one, or leave only --method optical, which sees through several at once."
        )


def lend_backbone(args: argparse.Namespace, methods: Sequence[str]) -> None:
    """Let the backbone's own architecture learn from scratch, beside methods that take the backbone."""
    if "scratch" in methods and args.network is None:
        args.network = args.backbone or parameters("fine-tune")["backbone"]
        if set(methods) == {"scratch"}:
            args.backbone = None


def build(args: argparse.Namespace, method: str) -> "Model":
    """Build the unfitted classifier that the options describe; those of other methods are not read."""
    from lightprobe.models import METHODS

    known, options = parameters(method), given(args)
    told = {OPTIONS[name].sets: value for name, value in options.items() if OPTIONS[name].sets in known}
    if "recipe" in known:  # which has the batch size of training; the parameter is that of looking
        told = {name: value for name, value in told.items() if not OPTIONS[name].line}
        told["recipe"] = _recipe(args, method)
    common = {"device": args.device, "random_state": args.seed, "verbose": not args.quiet}
    return METHODS[method](**told, **common)


def _recipe(args: argparse.Namespace, method: str) -> "Recipe":
    """Return the recipe that the options name, with the lines that they change."""
    from lightprobe.backprop import find_recipe, read_setting

    if args.recipe and args.config:
        raise OptionError("--recipe and --config both say how to train: give one of them.")
    changes: dict[str, object] = dict(read_setting(text) for text in args.set or ())
    lines = {OPTIONS[name].line: value for name, value in given(args).items() if OPTIONS[name].line}
    for line in changes.keys() & lines.keys():
        raise OptionError(
            f"--set {line}=… and an option of its own both say what {line} is: give one of them."
        )
    return find_recipe(method, args.recipe or args.config).with_settings(changes | lines)


def train_command(args: argparse.Namespace, method: str) -> list[str]:
    """Return what stands behind `lightprobe train` to train by a method, with the options that it takes."""
    options = {name: value for name, value in given(args).items() if takes(method, OPTIONS[name])}
    command = [f"--method={method}", f"--seed={args.seed}", f"--device={args.device}"]
    command += [f"--{name}" for name in ("quiet", "verbose", "debug") if getattr(args, name)]
    for name, value in (options | {"root": root(args)}).items():
        flag = OPTIONS[name].flag
        if isinstance(value, bool):
            command.append(flag if value else flag.replace("--", "--no-"))
        else:  # in one word, as a value may begin with a dash
            words = value if isinstance(value, list) else [value]
            command += [f"{flag}={','.join(map(str, w)) if isinstance(w, tuple) else w}" for w in words]
    return [*command, "--", args.data]
