"""`lightprobe backbones`: the networks that can be named, and where each can be cut."""

import argparse

from lightprobe.cli.options import positive_int

HELP = "list networks, or the layers at which one can be cut"
USAGE = "[NAME]"
EXAMPLE = "lightprobe backbones densenet169"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a network; without it, all are listed")
    parser.add_argument(
        "--image-size", type=positive_int, metavar="N", help="side of the network's input in pixels"
    )


def run(args: argparse.Namespace) -> int:
    """List."""
    from dataclasses import asdict

    from lightprobe.backbones import BACKBONES, describe_backbone
    from lightprobe.cli import output

    if args.name is None:
        if args.json:
            output.as_json({"backbones": list(BACKBONES)})
        else:
            output.names(BACKBONES)
        return 0
    info = describe_backbone(args.name, args.image_size)
    if args.json:
        sizes = [{"name": cut.name, "avg": cut.pooled, "flatten": cut.flattened} for cut in info.cuts]
        output.as_json(
            {**asdict(info), "cuts": [asdict(c) | s for c, s in zip(info.cuts, sizes, strict=True)]}
        )
    else:
        output.backbone(info)
    return 0
