"""Options that several verbs share, and the objects they stand for."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightprobe.classifier import ImageClassifier
    from lightprobe.export import ExportedClassifier
    from lightprobe.images import ImageSet
    from lightprobe.models import Model
    from lightprobe.runtime import Runtime

METHODS = ("optical", "linear-probe", "fine-tune", "scratch")
METHODS_HELP = f"{', '.join(METHODS)} (their options: --help-gradients)"
BATCH_SIZE = 32  # of looking
DATA_HELP = "folder with a folder a class (or train/ and test/ of such), zip, .csv, data set name"


def number_or(*words: str, kind: type[int] | type[float]) -> "argparse._ActionType":
    """Make an argparse type that takes one of `words` or a positive number."""

    def parse(text: str) -> str | int | float:
        if text in words:
            return text
        try:
            value = kind(text)
        except ValueError:
            value = kind(0)
        if value <= 0:
            raise argparse.ArgumentTypeError(
                f"got {text!r}, allowed are {', '.join(words)} or a positive number"
            )
        return value

    return parse


def positive_int(text: str) -> int:
    """Parse a whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, allowed is a whole number from 1 up")
    return int(text)


def positive_float(text: str) -> float:
    """Parse a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text!r}, allowed is a number above 0")
    return value


def fraction(text: str) -> float:
    """Parse a number strictly between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"got {text!r}, allowed is a number between 0 and 1, such as 0.2")
    return value


def methods(text: str) -> tuple[str, ...]:
    """Parse names of methods with commas between."""
    names = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in METHODS]:
        raise argparse.ArgumentTypeError(f"got {', '.join(unknown)}, allowed are {', '.join(METHODS)}")
    return names


def add_data_options(
    parser: argparse.ArgumentParser, out: str, metavar: str = "RUN"
) -> "argparse._ArgumentGroup":
    """Add what says which photos are meant, and where `out` is written."""
    group = parser.add_argument_group("data")
    group.add_argument("data", metavar="DATA", help=DATA_HELP)
    group.add_argument("--out", required=True, metavar=metavar, type=Path, help=out)
    group.add_argument("--root", metavar="DIR", help="where named data sets lie, or are downloaded to")
    group.add_argument(
        "--class-map",
        metavar="MAP",
        help='NEW=OLD,...: merge, rename and drop classes, as "plastic=plastic,other=*"',
    )
    add_classes_option(group)
    group.add_argument(
        "--group",
        metavar="G",
        help="photos of one thing stay together: a regular expression on paths, or a table's column",
    )
    group.add_argument("--strict", action="store_true", help="stop at the first file that cannot be decoded")
    return group


def add_classes_option(
    parser: "argparse.ArgumentParser | argparse._ArgumentGroup", default: str = "top"
) -> None:
    """Add what says which folder of a tree is the class."""
    parser.add_argument(
        "--classes",
        choices=("top", "leaf"),
        metavar="C",
        help=f"the class: top (first folder below a split) or leaf (the photo's folder); {default}",
    )


def add_backbone_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which network looks at the photos, and how."""
    group = parser.add_argument_group("backbone")
    group.add_argument(
        "--backbone",
        default="starter",
        metavar="NAME",
        help="network that looks (starter; lightprobe backbones lists all); train takes several, a,b",
    )
    group.add_argument(
        "--weights",
        metavar="FILE",
        help="its weights, .safetensors or .pth, instead of the published ones (of several FILE,FILE)",
    )
    group.add_argument(
        "--cut",
        metavar="LAYER",
        help="where it stops: a layer that lightprobe backbones NAME lists; auto compares all stages",
    )
    group.add_argument(
        "--image-size", type=positive_int, metavar="N", help="side of its input in pixels (the network's own)"
    )
    group.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "fp32", "bf16", "fp16", "int8"),
        metavar="P",
        help="its arithmetic: auto (what the machine is fast at), fp32, bf16, fp16 or int8",
    )
    group.add_argument(
        "--engine",
        default="auto",
        choices=("auto", "eager", "openvino"),
        metavar="E",
        help="what runs it: auto, eager (torch) or openvino (fast on CPUs)",
    )
    group.add_argument("--batch-size", type=positive_int, metavar="N", help="photos a batch (32)")
    group.add_argument("--workers", type=positive_int, metavar="N", help="threads that decode photos")
    add_size_limit(group)


def add_size_limit(parser: argparse._ActionsContainer) -> None:
    """Add the limit to the size of pictures."""
    parser.add_argument(
        "--max-megapixels",
        type=positive_float,
        metavar="N",
        help="skip pictures that take more once decoded (89)",
    )


def add_head_options(parser: argparse.ArgumentParser, *, method: bool = True) -> None:
    """Add what says how features become a classifier."""
    group = parser.add_argument_group("head (what is auto is chosen by leave-one-out on the training photos)")
    if method:
        group.add_argument(
            "--method", default="optical", choices=METHODS, metavar="M",
            help=METHODS_HELP,
        )  # fmt: skip
    group.add_argument(
        "--pool", default="auto", choices=("auto", "avg", "flatten"), metavar="P",
        help="positions in the photo: avg (averaged), flatten (kept apart) or auto",
    )  # fmt: skip
    encodings, kernels = ("auto", "none", "l2", "sign", "float32"), ("auto", "linear", "optical")
    group.add_argument(
        "--encode", default="auto", choices=encodings, metavar="E",
        help="features: l2 (scaled to length one), sign (a bit each), float32 (bits), none or auto",
    )  # fmt: skip
    group.add_argument(
        "--kernel", default="auto", choices=kernels, metavar="K",
        help="optical (random features of light), linear (features as they are) or auto",
    )  # fmt: skip
    group.add_argument(
        "--components", default="auto", metavar="N", type=number_or("auto", "exact", kind=int),
        help="random features: a number, exact (the limit of infinitely many) or auto",
    )  # fmt: skip
    group.add_argument(
        "--projection", default="structured", choices=("structured", "dense"), metavar="P",
        help="how random features are made: structured or dense",
    )  # fmt: skip
    group.add_argument(
        "--alpha",
        default="auto",
        metavar="A",
        type=number_or("auto", kind=float),
        help="ridge penalty, 1 being as large as the kernel's mean diagonal tr(Kc)/n, or auto",
    )
    group.add_argument(
        "--keep", default="features", choices=("features", "sums", "nothing"), metavar="K",
        help="what the model keeps of its photos: features (for any update), sums or nothing",
    )  # fmt: skip
    group.add_argument(
        "--class-weight",
        choices=("balanced",),
        metavar="W",
        help="balanced: classes weigh alike, however many photos they have",
    )


def classifier(args: argparse.Namespace) -> "ImageClassifier":
    """Build the classifier that the options describe."""
    from lightprobe.classifier import ImageClassifier

    return ImageClassifier(
        args.backbone,
        weights=args.weights,
        cut=args.cut,
        image_size=args.image_size,
        pool=args.pool,
        encode=args.encode,
        kernel=args.kernel,
        components=args.components,
        projection=args.projection,
        alpha=args.alpha,
        class_weight=args.class_weight,
        precision=args.precision,
        engine=args.engine,
        batch_size=args.batch_size or BATCH_SIZE,
        workers=args.workers,
        max_megapixels=args.max_megapixels,
        device=args.device,
        class_map=args.class_map,
        classes=args.classes,
        group=args.group,
        keep=args.keep,
        strict=args.strict,
        random_state=args.seed,
        verbose=not args.quiet,
    )


def runtime(args: argparse.Namespace) -> "Runtime":
    """Return how the options say that work is done; what a verb does not offer is left as it is."""
    from lightprobe.runtime import Runtime

    given = {
        name: getattr(args, name, None)
        for name in ("engine", "precision", "batch_size", "workers", "max_megapixels")
    }
    return Runtime(
        **{name: value for name, value in given.items() if value is not None},
        device=args.device,
        strict=getattr(args, "strict", False),
        seed=args.seed,
        progress=not args.quiet,
    )


def open_model(path: Path) -> "Model | ExportedClassifier":
    """Open a model's folder, or a file that it was exported to."""
    from lightprobe.export import ExportedClassifier, format_of
    from lightprobe.models import load

    return load(path) if format_of(path) is None else ExportedClassifier.load(path)


def open_data(args: argparse.Namespace) -> "ImageSet":
    """Open what the data options name."""
    from lightprobe.images import open_images
    from lightprobe.paths import cache_folder

    root = args.root or cache_folder() / "datasets"
    images = open_images(
        args.data, root=root, class_map=args.class_map, group=args.group, classes=args.classes
    )
    return images.limited(args.max_megapixels)
