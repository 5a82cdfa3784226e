"""`lightprobe sums`: photos become sums, a part of a model that `merge` puts together."""

import argparse

from lightprobe.cli.methods import build
from lightprobe.cli.options import add, add_backbone, add_data, open_data, positive_int

HELP = "sum over photos, for merge: a model of more photos than one machine has"
USAGE = "DATA --out FILE"
EXAMPLE = "lightprobe sums photos/ --shard 3/16 --out part-3.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    data = add_data(parser, "the part: part-3.safetensors", "FILE")
    data.add_argument("--shard", metavar="I/N", help="only the I-th of N equal shards, the same everywhere")
    data.add_argument("--site", metavar="NAME", default="", help="whose photos, before names in the model")
    data.add_argument(
        "--min-per-class", metavar="N", type=positive_int, default=1,
        help="refuse sums over fewer photos of a class, which show what they are",
    )  # fmt: skip
    data.add_argument(
        "--no-features", action="store_true",
        help="write sums alone, and not what was seen in each photo (FILE.features.npy)",
    )  # fmt: skip
    add_backbone(parser)
    add(parser, "pool", "encode", "kernel", "components", "projection")


def run(args: argparse.Namespace) -> int:
    """Sum and say what lies where."""
    from lightprobe.classifier import ImageClassifier
    from lightprobe.cli import output
    from lightprobe.cluster import Shard, check_place, sum_photos
    from lightprobe.cluster import summary as summarised

    shard = Shard.parse(args.shard) if args.shard else None
    check_place(args.out)
    classifier = build(args, "optical")
    assert isinstance(classifier, ImageClassifier)
    part = sum_photos(
        open_data(args),
        classifier,
        args.out,
        shard=shard,
        site=args.site,
        features=not args.no_features,
        min_per_class=args.min_per_class,
    )
    summary = summarised(part)
    if args.json:
        output.as_json(summary)
    else:
        output.sums(summary)
    return 0
