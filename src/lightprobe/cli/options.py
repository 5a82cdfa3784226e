"""The options that several verbs share: one table of flags, what each sets, and where it is refused."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightprobe.errors import OptionError

if TYPE_CHECKING:
    from lightprobe.images import ImageSet
    from lightprobe.runs import RunFolder
    from lightprobe.runtime import Runtime

METHODS = ("optical", "linear-probe", "fine-tune", "scratch")
METHODS_HELP = f"{', '.join(METHODS)} (their options: --help-gradients)"
DATA_HELP = "folder with a folder a class (or train/ and test/ of such), zip, table, data set name"

Parse = Callable[[str], Any]


def number_or(*words: str, kind: type[int] | type[float] = float) -> Parse:
    """Make an argparse type that takes one of `words` or a finite number above zero."""

    def parse(text: str) -> str | int | float:
        if text in words:
            return text
        try:
            value = kind(text)
        except ValueError:
            value = kind(0)
        if not 0 < value < float("inf"):
            allowed = " or ".join([*words, "a positive number"])
            raise argparse.ArgumentTypeError(f"got {text!r}, allowed is {allowed}")
        return value

    return parse


def positive_int(text: str) -> int:
    """Parse a whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, allowed is a whole number from 1 up")
    return int(text)


def fraction(text: str) -> float:
    """Parse a number strictly between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"got {text!r}, allowed is a number between 0 and 1, such as 0.2")
    return value


def channels(text: str) -> tuple[float, float, float]:
    """Parse three numbers with commas between, or one that stands for all three."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 1:
        values *= 3
    if len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise argparse.ArgumentTypeError(f"got {text!r}, allowed is a number or three, as 0.5 or 0.4,0.5,0.6")
    return values[0], values[1], values[2]


def methods(text: str) -> tuple[str, ...]:
    """Parse names of methods with commas between."""
    names = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in METHODS]:
        raise argparse.ArgumentTypeError(f"got {', '.join(unknown)}, allowed are {', '.join(METHODS)}")
    return names


def _stages(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


@dataclass(frozen=True)
class Option:
    """A flag; what was not given stays None, so that constructors' own defaults hold.

    Attributes
    ----------
    flag, metavar, help, type, choices, action
        As for `add_argument`.
    parameter : str or None
        The constructors' parameter that it sets: its own name without one, none where it is "".
    line : str
        The recipe's line that it sets instead, where a method trains by a recipe.
    """

    flag: str
    metavar: str | None
    help: str
    type: Parse | None = None
    choices: tuple[str, ...] | None = None
    action: Any = None
    parameter: str | None = None
    line: str = ""

    @property
    def name(self) -> str:
        """Where argparse keeps it."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def sets(self) -> str:
        """The constructors' parameter that it sets."""
        return self.name if self.parameter is None else self.parameter

    def declare(self, container: argparse._ActionsContainer, *, hidden: bool = False) -> None:
        """Add it to a parser or a group."""
        how = {key: getattr(self, key) for key in ("metavar", "type", "choices", "action")}
        told = {key: value for key, value in how.items() if value is not None}
        shown = argparse.SUPPRESS if hidden else self.help
        container.add_argument(self.flag, default=None, help=shown, **told)


# fmt: off
_DATA = (
    Option("--root", "DIR", "where named data sets lie, or are downloaded to", parameter=""),
    Option("--class-map", "MAP", 'NEW=OLD,...: merge, rename and drop classes, as "plastic=plastic,other=*"'),
    Option("--classes", "C",
           "the class: top (first folder below a split), leaf (the photo's) or path (all of them)",
           choices=("top", "leaf", "path")),
    Option("--path-column", "C", "a table's column of photos, if not path, file, image, ...", parameter=""),
    Option("--label-column", "C", "a table's column of classes, if not label, class, category, target",
           parameter=""),
    Option("--group", "G",
           "photos of one thing stay together: a regular expression on paths, or a table's column"),
    Option("--strict", None, "stop at the first file that cannot be decoded", action="store_true"),
)
TEST_FRACTION = Option("--test-fraction", "F", "share of each class set aside for test, as 0.2", fraction,
                       parameter="")
NO_MAP = Option("--no-map", None, "leave out the report's map of photos and its heat maps",
                action="store_true", parameter="")
_BACKBONE = (
    Option("--backbone", "NAME",
           "network that looks: name (efficientnet_lite0) or file (.onnx, .xml); of train several"),
    Option("--weights", "FILE",
           "its weights, .safetensors or .pth, instead of the published ones (of several FILE,FILE)"),
    Option("--cut", "LAYER",
           "where it stops: a layer that lightprobe backbones NAME lists; auto compares all stages"),
    Option("--looks", "L",
           "how it looks at photos: crop (the centre), squash (all of it), mirror; of train several"),
    Option("--image-size", "N", "side of its input in pixels (the network's own)", positive_int),
    Option("--mean", "M", "of a file: mean of pixels, 0 to 1, as 0.4,0.5,0.6; deviation: --std S", channels),
    Option("--std", "S", "of a file: deviation of pixels, as --mean", channels),
    Option("--precision", "P", "its arithmetic: auto (what the machine is fast at), fp32, bf16, fp16 or int8",
           choices=("auto", "fp32", "bf16", "fp16", "int8")),
    Option("--engine", "E", "what runs it: auto, eager (torch) or openvino (fast on CPUs)",
           choices=("auto", "eager", "openvino")),
    Option("--batch-size", "N", "photos a batch (32)", positive_int, line="batch_size"),
    Option("--workers", "N", "threads that decode photos", positive_int),
    Option("--max-megapixels", "N", "skip pictures that take more once decoded (89)", number_or()),
)
QUALITY = Option("--quality", "Q", "instead of a name: fast, balanced (two networks), best (more, 3 looks)",
                 choices=("fast", "balanced", "best"))
_HEAD = (
    Option("--pool", "P", "positions in the photo: avg (averaged; so does auto) or flatten (kept apart)",
           choices=("auto", "avg", "flatten")),
    Option("--encode", "E",
           "features: l2 (length one), split, offset (with signs), sign (a bit each), float32, none or auto",
           choices=("auto", "none", "l2", "split", "offset", "sign", "float32")),
    Option("--kernel", "K", "optical (random features of light), linear (features as they are) or auto",
           choices=("auto", "linear", "optical")),
    Option("--components", "N", "random features: a number, exact (the limit of infinitely many) or auto",
           number_or("auto", "exact", kind=int)),
    Option("--projection", "P", "how random features are made: structured or dense",
           choices=("structured", "dense")),
    Option("--alpha", "A", "ridge penalty, 1 being as large as the kernel's mean diagonal tr(Kc)/n, or auto",
           number_or("auto")),
    Option("--keep", "K", "what the model keeps of its photos: features (for any update), sums or nothing",
           choices=("features", "sums", "nothing")),
    Option("--class-weight", "W", "balanced: classes weigh alike, however many photos they have",
           choices=("balanced",), line="class_weights"),
)
_TRAINING = (
    Option("--recipe", "NAME", "how to train: tutorial; the method's own without it"),
    Option("--config", "FILE.yaml", "a recipe in a file: lines of `name: value`", Path, parameter="recipe"),
    Option("--set", "NAME=VALUE", "change a line of it, as schedule=cosine", action="append",
           parameter="recipe"),
    Option("--epochs", "N", "at most so many", positive_int, parameter="recipe", line="epochs"),
    Option("--lr", "R", "learning rate of the head; auto finds one", number_or("auto"),
           parameter="recipe", line="lr"),
    Option("--validation-fraction", "F", "share of the training photos that chooses the epoch (0.15)",
           fraction),
    Option("--resume", None, "go on where a run was stopped", action="store_true"),
    Option("--devices", "N", "GPUs or processes to share the work", positive_int),
    Option("--num-nodes", "N", "machines that share it", positive_int),
    Option("--strategy", "S", "how they do, as Lightning names it"),
)
_FINE_TUNE = (Option("--unfreeze", "U", "what learns: all, head, or how many last stages", _stages),)
_SCRATCH = (
    Option("--network", "NAME", "cnn2, cnn3, cnn4, or a backbone's name"),
    Option("--batch-norm", None, "for cnn2, cnn3, cnn4, as the following three",
           action=argparse.BooleanOptionalAction),
    Option("--activation", "A", "relu, leaky-relu, elu, gelu, tanh or sigmoid"),
    Option("--pooling", "P", "max, avg or stride"),
    Option("--init", "I", "kaiming, xavier, orthogonal or default"),
)
_BACKBONE_TITLE = "backbone"
_HEAD_TITLE = "head (what is auto is chosen by leave-one-out on the training photos)"
_BY_GRADIENTS = {"training (linear-probe, fine-tune, scratch)": _TRAINING, "fine-tune": _FINE_TUNE,
                 "scratch": _SCRATCH}
# fmt: on
OPTIONS = {
    option.name: option
    for option in (
        *_DATA,
        TEST_FRACTION,
        NO_MAP,
        *_BACKBONE,
        QUALITY,
        *_HEAD,
        *_TRAINING,
        *_FINE_TUNE,
        *_SCRATCH,
    )
}


def add_model(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Add the model that a verb asks; the folder of a run stands for the model in it."""
    told = f"folder that train wrote: RUN or RUN/model{more}"
    parser.add_argument("model", metavar="MODEL", type=model_path, help=told)


def model_path(text: str) -> Path:
    """Return the folder of a model that is named by its own or that of its run."""
    from lightprobe.photo_model import model_folder

    return model_folder(Path(text))


def add(container: argparse._ActionsContainer, *names: str) -> None:
    """Add single options of the table."""
    for name in names:
        OPTIONS[name].declare(container)


def add_data(
    parser: argparse.ArgumentParser, out: str, metavar: str = "RUN", *, test: bool = False, numbered: str = ""
) -> "argparse._ArgumentGroup":
    """Add what says which photos are meant, and where `out` is written.

    With `numbered`, --out may be left out: the folder is then called so, with a number; see `run_folder`.
    """
    group = parser.add_argument_group("data")
    group.add_argument("data", metavar="DATA", help=DATA_HELP)
    told = f"{out} ({numbered}-1, -2, ...)" if numbered else out
    group.add_argument("--out", required=not numbered, metavar=metavar, type=Path, help=told)
    for option in (*_DATA, *((TEST_FRACTION,) if test else ())):
        option.declare(group)
    return group


def add_backbone(parser: argparse.ArgumentParser, *, quality: bool = False) -> None:
    """Add what says which network looks at the photos, and how; levels of quality, where they are taken."""
    group = parser.add_argument_group(_BACKBONE_TITLE)
    first, *others = _BACKBONE
    for option in (first, *((QUALITY,) if quality else ()), *others):
        option.declare(group, hidden=option.name == "std")  # which the help of --mean names


def add_methods(parser: argparse.ArgumentParser, *, without: Sequence[str] = ()) -> None:
    """Add backbone and head, and what gradients take: unseen in the verb's help, which keeps to a screen."""
    add_backbone(parser, quality=True)
    group = parser.add_argument_group(_HEAD_TITLE)
    for option in _HEAD:
        if option.name not in without:
            option.declare(group)
    parser.add_argument("--help-gradients", action=_ShowGradientOptions, nargs=0, help=argparse.SUPPRESS)
    for options in _BY_GRADIENTS.values():
        for option in options:
            if option.name not in without:
                option.declare(parser, hidden=True)


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
        for title, options in _BY_GRADIENTS.items():
            group = shown.add_argument_group(title)
            for option in options:
                option.declare(group)
        shown.print_help()
        parser.exit()


def given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the options of the table that were given, or those of them that are named."""
    values = {name: getattr(args, name, None) for name in names or OPTIONS}
    return {name: value for name, value in values.items() if value is not None}


def refuse(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Refuse options that were given and cannot be honoured; `why` follows the flag."""
    for name in (name for name in names if name in given(args)):
        raise OptionError(f"--{name.replace('_', '-')} {why}")


def runtime(args: argparse.Namespace, before: "Runtime | None" = None) -> "Runtime":
    """Return how the options say that work is done; what was not given is as before, as a model has it."""
    from lightprobe.runtime import Runtime

    own = given(args, "engine", "precision", "batch_size", "workers", "max_megapixels", "strict")
    return replace(before or Runtime(), **own, device=args.device, seed=args.seed, progress=not args.quiet)


def run_folder(args: argparse.Namespace, name: str = "run") -> "RunFolder":
    """Return the folder that --out names, or choose one and say so on stderr.

    Where the same command was stopped in it, a training by gradients resumes.
    """
    from lightprobe.cli import output
    from lightprobe.runs import RunFolder, next_run_folder

    if args.out is not None:
        return RunFolder(args.out)
    folder = next_run_folder(args.words, args.data, name)
    if folder.is_resumed:
        said = f"Going on in {folder.path}, where the same command was stopped"
        if "resume" in args and args.method != "optical":
            args.resume = True
    else:
        said = f"Writing to {folder.path}"
    if not args.quiet:
        output.note(f"{said} (--out names another folder).")
    return folder


def root(args: argparse.Namespace) -> Path:
    """Return where named data sets lie."""
    from lightprobe.paths import cache_folder

    return Path(args.root) if args.root else cache_folder() / "datasets"


_OPENED = ("class_map", "group", "classes", "path_column", "label_column")


def open_data(args: argparse.Namespace) -> "ImageSet":
    """Open what the data options name."""
    from lightprobe.images import announce, open_images
    from lightprobe.runs import with_test_split

    images = open_images(args.data, root=root(args), **given(args, *_OPENED))
    images = images.limited(args.max_megapixels)
    images = with_test_split(images, getattr(args, "test_fraction", None), args.seed)
    announce(images, args.data)
    return images
